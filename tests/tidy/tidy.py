#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a machine can check.

Floors (a folder includes only itself and what is listed), one home for each foreign header, unique
file stems, files and lines of bounded length, every source listed in CMake, every header included
by somebody, no machine's absolute path, no owner-less TODO.
"""
import pathlib
import re
import sys

FLOORS = {
    "kernels": [],
    "harness/base": [],
    "harness/record": ["harness/base"],
    "harness/net": ["harness/base"],
    "harness/engine": ["harness/base", "kernels"],
    "harness/store": ["harness/base", "harness/record"],
    "harness/target": ["harness/base", "harness/record", "harness/net", "harness/engine"],
    "harness/suite": ["harness/base", "harness/record"],
    "metrics": ["harness/base", "harness/record"],
    "reports": ["harness/base", "harness/record", "harness/net"],
}
EVERYTHING = ["runner", "tests"]
HOMES = {
    "curl/curl.h": ["harness/net/http.c"],
    "sqlite3.h": ["harness/store/store_sqlite.c"],
    "libpq-fe.h": ["harness/store/store_pg.c"],
    "yaml.h": ["harness/base/yaml.c"],
    "cjson/cJSON.h": ["harness/base/json.c"],
    "pcre2.h": ["harness/base/regex.c"],
    "nettle/sha2.h": ["harness/base/sha256.c"],
    "cblas.h": ["kernels/blas.c"],
    "microhttpd.h": ["runner/serve/httpd.c"],
    "immintrin.h": ["kernels/x86/"],
    "arm_neon.h": ["kernels/arm/"],
    "cpuid.h": ["kernels/x86/"],
    "cuda_runtime.h": ["kernels/cuda/"],
    "threads.h": ["harness/base/json.c"],
    "cuda_fp16.h": ["kernels/cuda/"],
    "dlfcn.h": ["harness/base/load/library.c", "harness/engine/gpu/driver.c"],
    "pthread.h": ["harness/base/load/library.c", "harness/base/thread.c", "harness/base/log.c"],
    "utf8proc.h": ["harness/engine/text/wordpiece.c", "harness/base/normal.c"],
    "math.h": ["*"],
}
# The C library and POSIX: at home everywhere.
STANDARD = re.compile(
    r"^(arpa/inet|assert|ctype|dirent|errno|fcntl|float|inttypes|limits|math|poll|pwd|sched|setjmp|"
    r"signal|"
    r"spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|time|unistd|"
    r"sys/[a-z_]+)\.h$")
LINES_MAX = 800
MODULES_MAX = 16
MACHINE_PATH = re.compile(r"(?:^|[^A-Za-z0-9_.~/-])/(?:home|root|work|Users)/")
TODO = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\()")


def floor_of(path):
    parts = path.split("/")
    if parts[0] == "harness":
        return "/".join(parts[:2])
    return parts[0]


def allowed(source, target):
    home = floor_of(source)
    if home in EVERYTHING:
        return True
    return target == home or target in FLOORS.get(home, [])


def check_includes(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not match:
            continue
        quote, name = match.groups()
        where = f"{path}:{number}: "
        if quote == '"':
            if not allowed(path, floor_of(name)):
                yield where + f"{floor_of(path)} must not include {name}"
            continue
        if STANDARD.match(name) or path.startswith("tests/"):
            continue
        homes = HOMES.get(name)
        if homes is None:
            yield where + f"<{name}> has no home: name one in tests/tidy/tidy.py"
        elif not any(path == home or (home.endswith("/") and path.startswith(home))
                     for home in homes):
            yield where + f"<{name}> lives only in {', '.join(homes)}"


def check_text(path, text):
    lines = text.splitlines()
    if path.endswith((".c", ".h")):
        if len(lines) > LINES_MAX:
            yield f"{path}: {len(lines)} lines; is it two families in one room?"
        if not text.startswith("// SPDX-License-Identifier: Apache-2.0"):
            yield f"{path}:1: the first line is not the SPDX line"
    for number, line in enumerate(lines, 1):
        if path.endswith((".c", ".h")) and len(line) > 100:
            yield f"{path}:{number}: {len(line)} columns"
        if not path.endswith(".jsonl") and MACHINE_PATH.search(line):
            yield f"{path}:{number}: absolute path of a machine"
        if not path.endswith((".jsonl", ".tsv")) and path != "tests/tidy/tidy.py" \
                and TODO.search(line):
            yield f"{path}:{number}: TODO without an owner"


def check_tree(files):
    """files: {path: text}. Rules over the whole tree."""
    stems = {}
    included = set()
    stand_ins = {}
    for path in files:
        if path.startswith("tests/") and path.endswith(".h"):
            stand_ins.setdefault(pathlib.PurePosixPath(path).name, []).append(path)
    for path, text in files.items():
        included.update(re.findall(r'#\s*include\s+"([^"]+)"', text))
        # A header of a test that stands in for a library's, found first by -I.
        included.update(stand_in for name in re.findall(r"#\s*include\s+<([^>]+)>", text)
                        for stand_in in stand_ins.get(name, ()))
    for path in files:
        if not path.endswith((".c", ".h")):
            continue
        stem = pathlib.PurePosixPath(path).stem
        folder = str(pathlib.PurePosixPath(path).parent)
        other = stems.setdefault(stem, folder)
        if other != folder:
            yield f"{path}: the stem '{stem}' is also in {other}"
        if path.endswith(".h") and path not in included:
            yield f"{path}: no file includes it"
    cmake = {p: t for p, t in files.items() if p.endswith("CMakeLists.txt")}
    for path in files:
        if path.endswith(".c") and not any(pathlib.PurePosixPath(path).name in text
                                           for text in cmake.values()):
            yield f"{path}: no CMakeLists.txt names it"
    modules = {}
    for path in files:
        if path.endswith((".c", ".h")) and not path.startswith("tests/"):
            pure = pathlib.PurePosixPath(path)
            modules.setdefault(str(pure.parent), set()).add(pure.stem)
    for folder, stems_here in modules.items():
        if len(stems_here) > MODULES_MAX + 6:
            yield f"{folder}: {len(stems_here)} modules; at most about {MODULES_MAX} read well"


def read_tree(root):
    skip = {".git", ".assay"}
    files = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        top = name.split("/")[0]
        if top in skip or top.startswith("build") or "__pycache__" in name or not path.is_file():
            continue
        if path.suffix in {".gguf", ".png"} or path.stat().st_size > 8_000_000:
            continue
        files[name] = path.read_text(encoding="utf-8", errors="replace")
    return files


def check(files):
    for path, text in files.items():
        if path.endswith((".c", ".h")):
            yield from check_includes(path, text)
        yield from check_text(path, text)
    yield from check_tree(files)


def self_test():
    """Each rule must be able to fail."""
    spdx = "// SPDX-License-Identifier: Apache-2.0\n"
    bad = {
        "metrics/a.c": spdx + '#include "harness/store/store.h"\n',
        "reports/b.c": spdx + '#include "metrics/scorer.h"\n',
        "harness/engine/c.c": spdx + '#include "harness/net/http.h"\n',
        "runner/d.c": spdx + "#include <sqlite3.h>\n",
        "kernels/e.c": spdx + "#include <immintrin.h>\n",
        "runner/f.c": spdx + "#include <nowhere.h>\n",
        "runner/g.c": spdx + "// see /ho" + "me/somebody/x\n",
        "runner/h.c": spdx + "// TO" + "DO later\n",
        "runner/i.c": "int x;\n",
        "runner/j.c": spdx + "x" * 101 + "\n",
    }
    failed = [path for path, text in bad.items() if not list(check({path: text}))
              or all("CMakeLists" in p for p in check({path: text}))]
    good = {"runner/k.c": spdx + '#include "metrics/scorer.h"\n#include <stdio.h>\n',
            "runner/CMakeLists.txt": "k.c"}
    failed += [str(p) for p in check(good)]
    print("\n".join(f"rule does not bite: {path}" for path in failed) or "every rule bites")
    return 1 if failed else 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    problems = list(check(read_tree(pathlib.Path("."))))
    print("\n".join(problems) if problems else "tidy")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
