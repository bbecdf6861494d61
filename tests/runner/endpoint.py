# SPDX-License-Identifier: Apache-2.0
"""A local HTTP server that speaks the dialects of model servers, and every fault they have.

Standard library only. The path decides: /FAULT[,ARGUMENT]/v1/chat/completions. It answers the last
user message in upper case; `seen` keeps what was asked.
"""
import contextlib
import email.utils
import gzip
import json
import socket
import ssl
import struct
import threading
import time


class Endpoint:
    def __init__(self, certificate=None):
        """`certificate`: a file with key and certificate; then the endpoint speaks TLS."""
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        self.seen = []      # (path, headers, body, time)
        self.connections = 0
        self.open = []
        self.lock = threading.Lock()
        self.turn = threading.Lock()
        self.gates = {}
        self.gate = threading.Event()
        self.metrics = [""]
        self.stopped = False
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.stopped = True
        with contextlib.suppress(OSError, ValueError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def down(self):
        """As a server that is restarted: open connections break, new ones are refused."""
        self.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def up(self):
        self.stopped = False
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        threading.Thread(target=self.accept, daemon=True).start()

    def count(self, part):
        with self.lock:
            return sum(part in path for path, *_ in self.seen)

    def accept(self):
        while not self.stopped:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError, ValueError):
            self.talk(self.tls.wrap_socket(connection, server_side=True) if self.tls
                      else connection)

    def talk(self, connection):
        with connection, connection.makefile("rb") as reader:
            while True:
                line = reader.readline()
                if not line:
                    return
                method, path, _ = line.decode("latin-1").split()
                headers = {}
                while (line := reader.readline().strip()):
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = reader.read(int(headers.get("content-length", 0)))
                with self.lock:
                    self.seen.append((path, headers, body, time.time()))
                    number = sum(p == path for p, *_ in self.seen)
                if self.answer(connection, path, headers, body, number) == "close":
                    return

    # -- what is said

    def reply(self, connection, status, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
        head += "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
        connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)

    def chat(self, text, finish="stop", **message):
        return {"id": "x", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [{"index": 0, "finish_reason": finish,
                             "message": {"role": "assistant", "content": text, **message}}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}

    def events(self, text, usage=True, finish="stop"):
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        deltas = [{"role": "assistant", "content": ""}] + [{"content": word} for word in
                                                           text.replace(" ", " \0").split("\0")]
        for delta in deltas:
            yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        if usage:
            yield {**chunk, "choices": [],
                   "usage": {"prompt_tokens": 7, "completion_tokens": len(deltas) - 1}}

    def sse(self, items, end="\n"):
        for item in items:
            yield f"data: {json.dumps(item)}{end}{end}".encode()
        yield f"data: [DONE]{end}{end}".encode()

    def start_stream(self, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")

    def stream(self, connection, pieces, pause=0, end=True):
        self.start_stream(connection)
        for piece in pieces:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            if pause:
                time.sleep(pause)
        if end:
            connection.sendall(b"0\r\n\r\n")

    def reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "close"

    def answer(self, connection, path, headers, body, number):
        fault, _, argument = path.strip("/").split("/")[0].partition(",")
        request = json.loads(body) if body else {}
        messages = request.get("messages") or [{"content": request.get("prompt", "")}]
        text = messages[-1]["content"].upper()
        handler = getattr(self, "on_" + fault.replace("-", "_"), None)
        if handler:
            done = handler(connection, argument, request, text, number)
            if done is not True:
                return done
        if path.endswith(("/api/chat", "/api/generate")):
            return self.ollama(connection, request, text)
        if path.endswith(("/generate", "/generate_stream")):
            return self.tgi(connection, path, request)
        if "/v2/models/" in path:
            return self.kserve(connection, path, request)
        if request.get("stream"):
            usage = bool(request.get("stream_options", {}).get("include_usage"))
            self.stream(connection, self.sse(self.events(text, usage)))
        elif path.endswith("/completions") and "messages" not in request:
            self.completion(connection, request)
        else:
            self.reply(connection, 200, self.chat(text))
        return None

    def ollama(self, connection, request, text):
        chat = "messages" in request

        def piece(words, **more):
            said = {"message": {"role": "assistant", "content": words}} if chat \
                else {"response": words}
            return {"model": request["model"], "created_at": "2026-01-01T00:00:00Z", **said, **more}
        end = {"done": True, "done_reason": "stop", "total_duration": 5, "load_duration": 1,
               "prompt_eval_count": 7, "prompt_eval_duration": 2, "eval_count": 3,
               "eval_duration": 2}
        if not request["stream"]:
            return self.reply(connection, 200, piece(text, **end))
        words = text.replace(" ", " \0").split("\0")
        lines = [piece(word, done=False) for word in words] + [piece("", **end)]
        return self.stream(connection, [json.dumps(line).encode() + b"\n" for line in lines])

    def tgi(self, connection, path, request):
        text, parameters = request["inputs"].upper(), request["parameters"]
        tokens = request["inputs"].replace(" ", "\0 ").split("\0")
        details = {"finish_reason": "eos_token", "generated_tokens": 3, "seed": None, "tokens": [],
                   "prefill": [{"id": i, "text": t, "logprob": -float(len(t)) if i else None}
                               for i, t in enumerate(tokens)]
                   if parameters.get("decoder_input_details") else []}
        if path.endswith("generate"):
            return self.reply(connection, 200, {"generated_text": text, "details": details})
        words = text.replace(" ", " \0").split("\0")
        events = [{"index": i + 1, "token": {"id": i, "text": word, "logprob": -1, "special": False},
                   "generated_text": None, "details": None} for i, word in enumerate(words)]
        events.append({"index": 9, "token": {"id": 2, "text": "</s>", "logprob": 0, "special": True},
                       "generated_text": text, "details": {"finish_reason": "eos_token",
                                                           "generated_tokens": 3,
                                                           "input_length": 7}})
        return self.stream(connection, [f"data:{json.dumps(e)}\n\n".encode() for e in events])

    def kserve(self, connection, path, request):
        """Models by name: text (upper case), probs and logits (for three choices), index."""
        model = path.split("/v2/models/")[1].split("/")[0]
        text = request["inputs"][0]["data"][0]
        output = {"text": {"datatype": "BYTES", "shape": [1], "data": [text.upper()]},
                  "probs": {"datatype": "FP32", "shape": [1, 3], "data": [[0.25, 0.5, 0.25]]},
                  "logits": {"datatype": "FP32", "shape": [1, 3], "data": [1.0, 3.0, -2.0]},
                  "index": {"datatype": "INT64", "shape": [1], "data": [1]},
                  "wrong": {"datatype": "FP32", "shape": [1, 2], "data": [1.0, 3.0]}}[model]
        self.reply(connection, 200, {"model_name": model, "model_version": "1", "outputs": [
            {"name": "other", "datatype": "FP32", "shape": [1], "data": [0.5]},
            {"name": "out", **output}]})

    def completion(self, connection, request):
        """Log-probabilities by a rule that a test can compute: minus the token's length."""
        prompt = request["prompt"]
        tokens, offsets, at = [], [], 0
        for word in prompt.replace(" ", "\0 ").split("\0"):
            tokens.append(word)
            offsets.append(at)
            at += len(word)
        values = [None] + [-float(len(token)) for token in tokens[1:]]
        choice = {"index": 0, "text": prompt + " x", "finish_reason": "length",
                  "logprobs": {"tokens": tokens + [" x"], "token_logprobs": values + [-1.0],
                               "text_offset": offsets + [at], "top_logprobs": None}}
        if not request.get("echo"):
            choice = {"index": 0, "text": prompt.upper(), "finish_reason": "stop", "logprobs": None}
        self.reply(connection, 200, {"id": "x", "object": "text_completion", "created": 1,
                                     "model": "m", "choices": [choice],
                                     "usage": {"prompt_tokens": len(tokens),
                                               "completion_tokens": 1, "total_tokens": 1}})

    # -- faults: True goes on with the right answer

    def on_status(self, connection, argument, request, text, number):
        """status,CODE[,N]: the first N requests (default all) get CODE."""
        code, _, many = argument.partition(",")
        if many and number > int(many):
            return True
        return self.reply(connection, int(code), {"error": {"message": "told to fail", "code": "x"}})

    def on_after(self, connection, argument, request, text, number):
        """after,CODE,N: right N times, then CODE."""
        code, _, many = argument.partition(",")
        if number <= int(many):
            return True
        return self.reply(connection, int(code), {"error": {"message": "told to fail"}})

    def on_later(self, connection, argument, request, text, number):
        """later,SECONDS[,N]: 429 with Retry-After, N times (default: always); date form: d2,N."""
        wait, _, many = argument.partition(",")
        if many and number > int(many):
            return True
        # All of them are under way before the first is told to wait.
        late = time.monotonic() + 20
        while many and self.count(f"later,{argument}/") < int(many) and time.monotonic() < late:
            time.sleep(0.005)
        if wait.startswith("d"):
            wait = email.utils.formatdate(time.time() + int(wait[1:]), usegmt=True)
        return self.reply(connection, 429, {"error": "slow down"}, Retry_After=wait)

    def on_reset(self, connection, argument, request, text, number):
        return self.reset(connection)

    def on_midreset(self, connection, argument, request, text, number):
        """midreset[,N]: the first N streams (default all) break in the middle."""
        if argument and number > int(argument):
            return True
        pieces = list(self.sse(self.events(text)))
        self.stream(connection, pieces[:2], end=False)
        return self.reset(connection)

    def on_cut(self, connection, argument, request, text, number):
        """The stream ends properly, but neither finish_reason nor [DONE] came."""
        self.stream(connection, list(self.sse(self.events(text)))[:2])

    def on_nodone(self, connection, argument, request, text, number):
        self.stream(connection, list(self.sse(self.events(text)))[:-1])

    def on_bytewise(self, connection, argument, request, text, number):
        """Every byte in a chunk of its own, CRLF line ends, comments between."""
        data = b": comment\r\n\r\n" + b"".join(self.sse(self.events(text), "\r\n"))
        self.stream(connection, [data[i:i + 1] for i in range(len(data))])

    def on_slow(self, connection, argument, request, text, number):
        """slow,SECONDS: each event after a pause."""
        self.stream(connection, self.sse(self.events(text)), pause=float(argument))

    def on_latency(self, connection, argument, request, text, number):
        time.sleep(float(argument))
        return True

    def on_serial(self, connection, argument, request, text, number):
        """serial,SECONDS: one at a time, whatever is asked at once."""
        with self.turn:
            time.sleep(float(argument))
        return True

    def on_slots(self, connection, argument, request, text, number):
        """slots,N,SECONDS: N at a time."""
        slots, seconds = argument.split(",")
        with self.lock:
            gate = self.gates.setdefault(argument, threading.Semaphore(int(slots)))
        with gate:
            time.sleep(float(seconds))
        return True

    def on_refuse(self, connection, argument, request, text, number):
        """refuse,A,B: every second of the requests A + 1 to B gets 429."""
        after, last = map(int, argument.split(","))
        if after < number <= last and number % 2 == 0:
            return self.reply(connection, 429, {"error": {"message": "too many"}})
        return True

    def on_gate(self, connection, argument, request, text, number):
        """gate,N: those after the first N wait until the test sets `gate`."""
        if number > int(argument):
            self.gate.wait(60)
        return True

    def on_other(self, connection, argument, request, text, number):
        """other,N: another answer to every Nth case, as a server with other weights."""
        if int(text.split()[-1]) % int(argument):
            return True
        return self.reply(connection, 200, self.chat("something else"))

    def on_metrics(self, connection, argument, request, text, number):
        """What `metrics` holds, one text a reading; the last one stays."""
        body = self.metrics.pop(0) if len(self.metrics) > 1 else self.metrics[0]
        return self.reply(connection, 200 if body else 404, body.encode())

    def on_hang(self, connection, argument, request, text, number):
        time.sleep(float(argument or 30))
        return "close"

    def on_badjson(self, connection, argument, request, text, number):
        self.reply(connection, 200, b'{"choices": [{"message": {"content": "half')

    def on_badutf8(self, connection, argument, request, text, number):
        self.reply(connection, 200, b'{"choices":[{"message":{"content":"a\xff\xfeb"}}]}')

    def on_badevent(self, connection, argument, request, text, number):
        self.stream(connection, [b"data: {\"choices\": [\n\n", b"data: [DONE]\n\n"])

    def on_body(self, connection, argument, request, text, number):
        """body,NAME: a whole body that is odd."""
        bodies = {
            "empty": b"", "list": b"[]", "nochoices": {"id": "x"}, "nonechoices": {"choices": []},
            "number": self.chat(5), "null": self.chat(None), "deep": b"[" * 200000,
            "error200": {"error": {"message": "the engine is dead", "code": 500}},
            "unknown": {**self.chat(text), "more": {"x": [1]}},
            "length": self.chat(text, "length"), "filter": self.chat("", "content_filter"),
            "refusal": self.chat(None, refusal="I will not"),
            "reasoning": self.chat(text, reasoning_content="let me see"),
            "parts": self.chat([{"type": "text", "text": text}]),
            "tools": self.chat(None, "tool_calls", tool_calls=[
                {"id": "1", "type": "function",
                 "function": {"name": "look", "arguments": '{"q": "a\\"b"}'}}]),
        }
        self.reply(connection, 200, bodies[argument])

    def on_filter400(self, connection, argument, request, text, number):
        self.reply(connection, 400, {"error": {"message": "filtered", "code": "content_filter"}})

    def on_big(self, connection, argument, request, text, number):
        """big,MEGABYTES of answer."""
        data = b'{"choices":[{"message":{"content":"' + b"x" * (int(argument) << 20) + b'"}}]}'
        self.reply(connection, 200, data)
        return "close"

    def on_gzip(self, connection, argument, request, text, number):
        self.reply(connection, 200, gzip.compress(json.dumps(self.chat(text)).encode()),
                   Content_Encoding="gzip")

    def on_echo(self, connection, argument, request, text, number):
        """The key comes back, in an error and in an answer."""
        key = self.seen[-1][1].get("authorization", "")
        if argument == "error":
            return self.reply(connection, 400, {"error": {"message": f"bad header {key}"}})
        return self.reply(connection, 200, self.chat(f"your key is {key}"))

    def on_redirect(self, connection, argument, request, text, number):
        self.reply(connection, 307, b"", Location=f"http://localhost:{self.port}/v1/stolen")
