#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks real servers through their presets, by hand, before a preset is called checked.

    python3 -m venv /tmp/venv
    /tmp/venv/bin/pip install 'litellm[proxy]'
    /tmp/venv/bin/python tests/runner/vendor_servers.py build/assay [NAME...]

Each NAME wants its package in an environment of its own (SERVERS has which; without NAME those are
asked that are installed). Some servers stand between assay and endpoint.py, which is their model:
streamed and whole answers must be those of the model, with its token counts where the server tells
them. Some run the bundled model on a processor: their texts, and their log-probabilities where they
have them, must be those of the engine. A line a server, with its version; exit code 1 when one is
not understood.
"""
import contextlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from endpoint import Endpoint  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
KEY = "sk-server-canary-0123"
COUNT = 12


# ---- what is asked: (of) a binary, in a folder, at a URI, with variables

def run(binary, folder, uri, env, suite, code=0):
    (folder / "suite.yaml").write_text(f"suite: s\ndataset: cases.jsonl\ntarget: '{uri}'\n{suite}\n")
    done = subprocess.run([binary, "run", "suite.yaml", "--out", "o", "--fresh", "--no-store",
                           "--format", "json", "-j", "4"], cwd=folder, capture_output=True,
                          text=True, env={**os.environ, **env}, check=False)
    assert done.returncode == code, (uri, done.stderr[-1000:])
    rows = [json.loads(line) for line in (folder / "o/results.jsonl").open(encoding="utf-8")]
    return json.loads(done.stdout), {row["id"]: row for row in rows}, done.stderr


def upper(told=None, keys=("",)):
    """Answers are the prompts in upper case, with these counts of tokens."""
    def ask(binary, folder, uri, env):
        (folder / "cases.jsonl").write_text("".join(json.dumps(
            {"id": f"c-{i}", "text": f"say \"{i}\" é", "expected": f"SAY \"{i}\" É"}) + "\n"
            for i in range(COUNT)))
        for key in keys:
            found, rows, _ = run(binary, folder, uri + key, env, "task: generate\nprompt: "
                                 "'{{ text }}'\ngenerate: {max_tokens: 20}\nmetrics: [exact_match]")
            assert found["metrics"]["exact_match"]["value"] == 1, found["metrics"]
            counts = {(row["tokens_in"], row["tokens_out"]) for row in rows.values()}
            assert told is None or counts == {told}, counts
        return found
    return ask


spoken = upper((7, 3), ("", "?stream=no"))


def refused(says):
    """Every case ends in an error, and the run at once."""
    def ask(binary, folder, uri, env):
        (folder / "cases.jsonl").write_text('{"text": "x", "expected": "x"}\n')
        told = run(binary, folder, uri, env, "task: generate\nprompt: '{{ text }}'\n"
                   "metrics: [exact_match]", 3)[2]
        assert "is given up" in told and says in told, told
    return ask


def measured(kind):
    """The server's own metrics count the cases."""
    def ask(binary, folder, uri, env):
        server = upper()(binary, folder, uri, env)["serving"]["server"]
        assert (server["kind"], server["requests"]) == (kind, COUNT), server
    return ask


def classes(binary, folder, uri, env):
    (folder / "cases.jsonl").write_text("".join(json.dumps(
        {"id": word, "text": f"is it {word}", "expected": word}) + "\n" for word in WORDS))
    found, rows, _ = run(binary, folder, uri, env, "task: choice\nprompt: '{{ text }}'\n"
                         f"choices: {sorted(WORDS)}\nmetrics: [accuracy]")
    assert found["metrics"]["accuracy"]["value"] == 1, found["metrics"]
    for row in rows.values():
        assert abs(max(row["choice_logprobs"]) - -0.2395447) < 1e-5, row["choice_logprobs"]


def engine(suite, close):
    """The rows are those of the engine, with the same model."""
    def ask(binary, folder, uri, env):
        lines = (ROOT / "golden/support/cases.jsonl").read_text(encoding="utf-8").splitlines()
        (folder / "cases.jsonl").write_text("\n".join(lines[:COUNT]) + "\n", encoding="utf-8")
        intents = sorted({json.loads(line)["intent"] for line in lines[:COUNT]})
        text = suite.replace("INTENTS", json.dumps(intents))
        own, theirs = (run(binary, folder, target, env, text)[1]
                       for target in ("gguf:model.gguf", uri))
        for name, row in own.items():
            close(row, theirs[name])
    return ask


def near(a, b):
    a, b = (row.get("choice_logprobs") or [row["logprob"]] for row in (a, b))
    assert max(abs(x - y) for x, y in zip(a, b)) < 1e-3, (a, b)


def equal(a, b):
    assert a["output"] == b["output"], (a["output"], b["output"])
    assert b["tokens_in"] in (0, a["tokens_in"]), (a["tokens_in"], b["tokens_in"])


same_text = engine("task: generate\nprompt: {system: Route the message., user: '{{ text }}'}\n"
                   "generate: {max_tokens: 12, stop: ['~']}\nexpected: intent\n"
                   "metrics: [exact_match]", equal)
same_cut = engine("task: generate\nprompt: '{{ text }}'\ngenerate: {max_tokens: 12, stop: ['_']}\n"
                  "expected: intent\nmetrics: [exact_match]", equal)
same_regex = engine("task: generate\nprompt: '{{ text }}'\ngenerate: {max_tokens: 12, "
                    "regex: '[a-z]+_x[0-9]{2}'}\nexpected: intent\nmetrics: [exact_match]", equal)
same_grammar = engine("task: generate\nprompt: '{{ text }}'\ngenerate: {max_tokens: 12, grammar: "
                      "'root ::= \"ab\" [0-9]+'}\nexpected: intent\nmetrics: [exact_match]", equal)
same_choice = engine("task: choice\nprompt: {user: '{{ text }}', chat: raw}\nchoices: INTENTS\n"
                     "expected: intent\nmetrics: [accuracy]", near)
same_odds = engine("task: loglikelihood\nprompt: {user: '{{ text }}', chat: raw}\n"
                   "expected: intent\nmetrics: [perplexity]", near)


def late(binary, folder, uri, env):
    """Log-probabilities that are not the text's own are not taken."""
    (folder / "cases.jsonl").write_text('{"id": "a", "text": "I lost my", "expected": "card"}\n')
    row = run(binary, folder, uri, env, "task: loglikelihood\nprompt: {user: '{{ text }}', "
              "chat: raw}\nmetrics: [perplexity]", 3)[1]["a"]
    assert "one token late" in row["error"], row


# ---- servers: in a folder, before a model, [(what is asked, URI)] and variables

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def started(command, port, log, ready="", **env):
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen([str(word) for word in command], stdout=out, cwd=log.parent,
                                   stderr=subprocess.STDOUT, env={**os.environ, **env},
                                   start_new_session=True)
        try:
            for _ in range(3000):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    if ready:
                        urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}").close()
                    break
                except OSError:
                    assert process.poll() is None, "the server ended"
                    time.sleep(0.1)
            yield
        except AssertionError:
            print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):  # with what it started itself
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@contextlib.contextmanager
def litellm(folder, model):
    (folder / "config.yaml").write_text(json.dumps({
        "model_list": [{"model_name": "m", "litellm_params": {
            "model": "openai/m", "api_base": f"{model.url}/x/v1", "api_key": "none"}}],
        "general_settings": {"master_key": KEY}}))
    port = free_port()
    with started([BIN / "litellm", "--config", folder / "config.yaml", "--host", "127.0.0.1",
                  "--port", port], port, folder / "server.log"):
        yield [(spoken, f"litellm:http://127.0.0.1:{port}/v1#m")], {"LITELLM_API_KEY": KEY}


@contextlib.contextmanager
def nemo_guardrails(folder, model):
    (folder / "rails/c").mkdir(parents=True)
    (folder / "rails/c/config.yml").write_text(json.dumps({"passthrough": True, "models": [
        {"type": "main", "engine": "openai", "model": "m",
         "parameters": {"base_url": f"{model.url}/x/v1", "api_key": "none"}}]}))
    (folder / "extra.json").write_text('{"guardrails": {"config_id": "c"}}')
    port = free_port()
    with started([BIN / "nemoguardrails", "server", "--config", folder / "rails", "--port", port],
                 port, folder / "server.log", OPENAI_API_KEY="none"):
        uri = f"nemo-guardrails:http://127.0.0.1:{port}/v1#m?extra=extra.json"
        yield [(upper(None, ("", "&stream=no")), uri)], {}


KSERVE = """
import sys
from kserve import ModelServer
from kserve.protocol.rest.openai.openai_proxy_model import OpenAIProxyModel

class Model(OpenAIProxyModel):
    async def create_chat_completion(self, request, raw_request=None, context=None):
        answer = await super().create_chat_completion(request, raw_request, context)
        if not request.stream:
            return answer
        async def stream():
            async for chunk in answer:
                yield f"data: {chunk.model_dump_json()}\\n\\n"
            yield "data: [DONE]\\n\\n"
        return stream()

ModelServer(http_port=int(sys.argv[2]), enable_grpc=False).start([Model("m", sys.argv[1])])
"""


@contextlib.contextmanager
def kserve(folder, model):
    port = free_port()
    with started([sys.executable, "-c", KSERVE, f"{model.url}/x", port], port,
                 folder / "server.log"):
        yield [(spoken, f"kserve-openai:http://127.0.0.1:{port}/openai/v1#m")], {}


BENTO = """
import bentoml, fastapi, fastapi.responses, httpx, os
app = fastapi.FastAPI()

@app.post("/chat/completions")
async def chat(request: fastapi.Request):
    body = await request.body()
    async def pieces():
        async with httpx.AsyncClient() as client:
            async with client.stream("POST", os.environ["MODEL"], content=body) as answer:
                async for piece in answer.aiter_bytes():
                    yield piece
    kind = "text/event-stream" if b'"stream":true' in body else "application/json"
    return fastapi.responses.StreamingResponse(pieces(), media_type=kind)

@bentoml.asgi_app(app, path="/v1")
@bentoml.service
class Service:
    @bentoml.api
    def nothing(self) -> str:
        return ""
"""


@contextlib.contextmanager
def bentoml(folder, model):
    (folder / "service.py").write_text(BENTO)
    port = free_port()
    with started([BIN / "bentoml", "serve", "service:Service", "--host", "127.0.0.1", "--port",
                  port], port, folder / "server.log", DO_NOT_TRACK="1", BENTOML_HOME=str(folder),
                 MODEL=f"{model.url}/x/v1/chat/completions"):
        yield [(spoken, f"bentoml-openai:http://127.0.0.1:{port}/v1#m")], {}


@contextlib.contextmanager
def torchserve(folder, model):
    (folder / "handler.py").write_text("""
def handle(rows, context):
    return [row.get("body", row)["data"].upper() for row in rows] if rows else None
""")
    (folder / "store").mkdir()
    subprocess.run([BIN / "torch-model-archiver", "--model-name", "m", "--version", "1",
                    "--handler", "handler.py", "--export-path", "store"], cwd=folder, check=True)
    ports = [free_port() for _ in range(5)]
    names = ("inference_address", "management_address", "metrics_address")
    (folder / "ts.properties").write_text(
        "".join(f"{name}=http://127.0.0.1:{port}\n" for name, port in zip(names, ports)) +
        f"grpc_inference_port={ports[3]}\ngrpc_management_port={ports[4]}\n"
        "default_workers_per_model=1\n")
    with started([BIN / "torchserve", "--foreground", "--ncs", "--model-store", "store", "--models",
                  "m=m.mar", "--ts-config", "ts.properties"], ports[0], folder / "server.log",
                 PATH=f"{BIN}:{os.environ['PATH']}"):
        key = json.loads((folder / "key_file.json").read_text())["inference"]["key"]
        yield [(upper(), f"torchserve:http://127.0.0.1:{ports[0]}#m"),
               (refused("Model not found"), f"torchserve:http://127.0.0.1:{ports[0]}#no")], \
            {"TORCHSERVE_TOKEN": key}


WORDS = ["one", "two", "three"]
TRITON = """
import numpy
import triton_python_backend_utils as utils

def answer(request):
    text = utils.get_input_tensor_by_name(request, "text_input").as_numpy().flatten()[0].decode()
    return utils.InferenceResponse([utils.Tensor(*FIND(text))])

class TritonPythonModel:
    def execute(self, requests):
        return [answer(request) for request in requests]
"""
UPPER = "FIND = lambda text: ('text_output', numpy.array([text.upper().encode()], dtype=object))\n"
SCORES = f"FIND = lambda text: ('scores', numpy.array([2.5 if w in text else 0.5 for w in {WORDS}]" \
         ", dtype=numpy.float32))\n"


@contextlib.contextmanager
def triton(folder, model):
    import pytriton
    served = pathlib.Path(pytriton.__file__).parent / "tritonserver"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    shutil.copy(served / f"python_backend_stubs/{version}/triton_python_backend_stub",
                served / "backends/python")
    for name, code, output in (("m", UPPER, '{name: "text_output" data_type: TYPE_STRING dims: [1]}'),
                               ("c", SCORES, '{name: "scores" data_type: TYPE_FP32 dims: [3] '
                                             'label_filename: "labels.txt"}')):
        (folder / f"models/{name}/1").mkdir(parents=True)
        (folder / f"models/{name}/1/model.py").write_text(TRITON + code)
        (folder / f"models/{name}/labels.txt").write_text("\n".join(WORDS) + "\n")
        (folder / f"models/{name}/config.pbtxt").write_text(
            'backend: "python"\ninput [{name: "text_input" data_type: TYPE_STRING dims: [1]}]\n'
            f"output [{output}]\n")
    ports = [free_port() for _ in range(3)]
    here, at = f"http://127.0.0.1:{ports[0]}", "127.0.0.1"
    with started([served / "bin/tritonserver", f"--model-repository={folder}/models",
                  f"--backend-directory={served}/backends", "--http-address", at, "--http-port",
                  ports[0], "--grpc-address", at, "--grpc-port", ports[1], "--metrics-address", at,
                  "--metrics-port", ports[2]], ports[0], folder / "server.log",
                 "/v2/health/ready", PATH=f"{BIN}:{os.environ['PATH']}"):
        yield [(upper(), f"kserve:{here}#m"), (upper(), f"kserve:{here}#m/1?binary=yes"),
               (upper(), f"kserve:{here}#m?binary=yes&output=text_output"),
               (classes, f"kserve:{here}#c?classification=yes&output=scores"),
               (classes, f"kserve:{here}#c?classification=yes&output=scores&binary=yes"),
               (refused("unknown model"), f"kserve:{here}#no"), (upper(), f"triton:{here}#m"),
               (measured("triton"), f"triton:{here}#m?metrics=http://127.0.0.1:{ports[2]}/metrics"),
               (refused("unknown model"), f"triton:{here}#no")], {}


HUGGING = """
import sys, torch, transformers
source, name, out = sys.argv[1:]
more = {"gguf_file": name}
model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **more)
config = model.config
if hasattr(config, "quantization_config"):
    del config.quantization_config
plain = type(model)(config)
plain.load_state_dict(model.state_dict())
plain.save_pretrained(out)
transformers.AutoTokenizer.from_pretrained(source, **more).save_pretrained(out)
"""


def hugging_face(folder):
    """The bundled model as transformers has it (of a pip with gguf and accelerate)."""
    hub = pathlib.Path(os.environ.get("HF_MODEL", folder / "hf"))
    if not hub.exists():
        subprocess.run([sys.executable, "-c", HUGGING, folder, "model.gguf", hub], check=True)
    return hub


OFFLINE = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}


@contextlib.contextmanager
def vllm(folder, _):
    port, hub = free_port(), hugging_face(folder)
    with started([BIN / "vllm", "serve", hub, "--served-model-name", "m", "--dtype", "float32",
                  "--max-model-len", "512", "--host", "127.0.0.1", "--port", port, "--api-key", KEY,
                  "--enforce-eager"], port, folder / "server.log", VLLM_CPU_KVCACHE_SPACE="1",
                 VLLM_NO_USAGE_STATS="1", VLLM_CPU_OMP_THREADS_BIND="nobind", **OFFLINE):
        uri = f"vllm:http://127.0.0.1:{port}/v1#"
        yield [(same_text, uri + "m"), (same_text, uri + "m?stream=no"), (same_cut, uri + "m"),
               (same_regex, uri + "m"), (same_grammar, uri + "m"),
               (same_choice, uri + "m+completions"), (same_odds, uri + "m+completions"),
               (same_odds, uri + "m+completions?score=prompt_logprobs"),
               (refused("does not exist"), uri + "no")], {"VLLM_API_KEY": KEY}


@contextlib.contextmanager
def transformers(folder, _):
    port, hub = free_port(), hugging_face(folder)
    with started([BIN / "transformers", "serve", hub, "--host", "127.0.0.1", "--port", port,
                  "--device", "cpu", "--dtype", "float32"], port, folder / "server.log", **OFFLINE):
        uri = f"transformers:http://127.0.0.1:{port}/v1#{hub}"
        yield [(same_text, uri), (same_text, uri + "?stream=no"), (same_cut, uri)], {}


@contextlib.contextmanager
def llama_factory(folder, _):
    port, hub = free_port(), hugging_face(folder)
    with started([BIN / "llamafactory-cli", "api", "--model_name_or_path", hub, "--infer_backend",
                  "huggingface", "--infer_dtype", "float32"], port, folder / "server.log",
                 API_HOST="127.0.0.1", API_PORT=str(port), API_KEY=KEY, DISABLE_VERSION_CHECK="1",
                 **OFFLINE):
        uri = f"llama-factory:http://127.0.0.1:{port}/v1#m"
        yield [(same_text, uri), (same_text, uri + "?stream=no"), (same_cut, uri)], \
            {"LLAMA_FACTORY_API_KEY": KEY}


@contextlib.contextmanager
def llama_cpp_python(folder, _):
    port = free_port()
    with started([sys.executable, "-m", "llama_cpp.server", "--model", "model.gguf",
                  "--logits_all", "true", "--n_ctx", "512", "--host", "127.0.0.1", "--port", port,
                  "--model_alias", "m"], port, folder / "server.log"):
        uri = f"llama-cpp-python:http://127.0.0.1:{port}/v1#m"
        yield [(same_text, uri), (same_cut, uri), (late, uri + "+completions")], {}


SERVERS = {litellm: "litellm", nemo_guardrails: "nemoguardrails", kserve: "kserve",
           bentoml: "bentoml", torchserve: "torchserve", triton: "nvidia-pytriton",
           vllm: "vllm", transformers: "transformers", llama_factory: "llamafactory",
           llama_cpp_python: "llama_cpp_python"}


def main():
    binary, names = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2:]
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        del os.environ[name]
    failed = 0
    for server, package in SERVERS.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = None
        if server.__name__ not in names if names else not version:
            continue
        model = Endpoint()
        try:
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                subprocess.run([binary, "model", "quantize", ROOT / "golden/models/support-q8_0.gguf",
                                folder / "model.gguf", "f32"], check=True, stdout=subprocess.DEVNULL)
                with server(folder, model) as (asked, env):
                    for ask, uri in asked:
                        ask(binary, folder, uri, env)
            print(f"ok    {server.__name__:16} {package} {version}")
        except Exception as problem:  # whatever goes wrong is the verdict
            failed += 1
            print(f"FAIL  {server.__name__:16} {type(problem).__name__}: {problem}"[:2000])
        model.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
