# SPDX-License-Identifier: Apache-2.0
"""A local server in the shapes of the vendors that assay has presets for.

Standard library only. A vendor lives below /NAME; it checks path, key and body as the vendor's own
documents have them (400 with a reason otherwise) and answers the last user message in upper case.
The vendors' own clients are driven against it by vendor_clients.py, so that what assay is tested
against is what they understand; a key is always KEY.
"""
import hashlib
import hmac
import http.server
import json
import re
import struct
import threading
import urllib.parse

KEY = "sk-vendor-canary-0123"
AWS = ("AKIDEXAMPLE0000", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


class Refused(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Refused(what)


def last_user(messages):
    content = [m["content"] for m in messages if m["role"] == "user"][-1]
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


def sse(*events, named=False, done=False):
    out = b""
    for event in events:
        if named:
            out += f"event: {event['type']}\n".encode()
        out += b"data: " + json.dumps(event).encode() + b"\n\n"
    return "text/event-stream", out + (b"data: [DONE]\n\n" if done else b"")


def reply(body):
    return "application/json", json.dumps(body).encode()


def words(text):
    return re.findall(r"\S+\s*", text)


# ---- one function a dialect: (path, headers, body) -> (content type, bytes)

def openai(path, headers, body):
    need(path.endswith("/chat/completions"), f"path {path}")
    need(body["model"] and isinstance(body["messages"], list), "model, messages")
    need({"max_tokens", "max_completion_tokens"} & set(body), "a limit")
    text = last_user(body["messages"]).upper()
    head = {"id": "chatcmpl-1", "created": 1700000000, "model": body["model"],
            "system_fingerprint": "fp"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    if not body.get("stream"):
        return reply({**head, "object": "chat.completion", "usage": usage, "choices": [
            {"index": 0, "finish_reason": "stop", "logprobs": None,
             "message": {"role": "assistant", "content": text, "refusal": None}}]})
    chunk = {**head, "object": "chat.completion.chunk"}
    events = [{**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""},
                                     "finish_reason": None}]}]
    events += [{**chunk, "choices": [{"index": 0, "delta": {"content": word},
                                      "finish_reason": None}]} for word in words(text)]
    events.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({**chunk, "choices": [], "usage": usage})
    return sse(*events, done=True)


def anthropic(path, headers, body):
    need(path == "/v1/messages", f"path {path}")
    version = headers["anthropic-version"]
    need(version in ("2023-06-01", "2026-10-21"), "anthropic-version")
    sampling = {"temperature", "top_p", "top_k"} & set(body)
    need(version == "2023-06-01" or not sampling, f"{sampling}: Extra inputs are not permitted")
    need(body["max_tokens"] > 0 and all(m["role"] in ("user", "assistant")
                                        for m in body["messages"]), "messages")
    text = last_user(body["messages"]).upper()
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
               "stop_sequence": None}
    if not body.get("stream"):
        return reply({**message, "content": [{"type": "text", "text": text}],
                      "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 3}})
    delta = [{"type": "content_block_delta", "index": 0,
              "delta": {"type": "text_delta", "text": word}} for word in words(text)]
    return sse({"type": "message_start", "message": {
        **message, "content": [], "stop_reason": None,
        "usage": {"input_tokens": 7, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"}, *delta, {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 3}}, {"type": "message_stop"}, named=True)


def gemini(path, headers, body):
    match = re.search(r"/models/([^/:]+):(generateContent|streamGenerateContent)", path)
    need(match, f"path {path}")
    need(all(c["role"] in ("user", "model") and c["parts"] for c in body["contents"]), "contents")
    text = body["contents"][-1]["parts"][0]["text"].upper()
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}

    def chunk(words_, **more):
        return {"candidates": [{"content": {"role": "model", "parts": [{"text": words_}]},
                                "index": 0, **more}], "usageMetadata": usage,
                "modelVersion": match[1], "responseId": "r"}
    if match[2] == "generateContent":
        return reply(chunk(text, finishReason="STOP"))
    return sse(*[chunk(word) for word in words(text)], chunk("", finishReason="STOP"))


def cohere(path, headers, body):
    need(path == "/v2/chat", f"path {path}")
    need(body["model"] and body["messages"], "messages")
    text = last_user(body["messages"]).upper()
    usage = {"billed_units": {"input_tokens": 7, "output_tokens": 3},
             "tokens": {"input_tokens": 7, "output_tokens": 3}}
    if not body.get("stream"):
        return reply({"id": "1", "finish_reason": "COMPLETE", "usage": usage, "message": {
            "role": "assistant", "content": [{"type": "text", "text": text}]}})
    return sse({"type": "message-start", "id": "1", "delta": {"message": {
        "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}},
        {"type": "content-start", "index": 0, "delta": {"message": {
            "content": {"type": "text", "text": ""}}}},
        *[{"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}}
          for word in words(text)], {"type": "content-end", "index": 0},
        {"type": "message-end", "id": "1", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
        named=True)


def check_aws(method, raw_path, headers, body, service):
    """Signature Version 4, worked out again from what came."""
    field = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^,\s]+)",
                            headers["authorization"]))
    key, day, region, name, _ = field["Credential"].split("/")
    need(key == AWS[0] and name == service, "credential")
    path, _, query = raw_path.partition("?")
    canonical = "\n".join(
        [method, urllib.parse.quote(path, safe="/~"), "&".join(sorted(query.split("&"))) if query
         else ""] + [f"{h}:{' '.join(headers[h].split())}"
                     for h in field["SignedHeaders"].split(";")] +
        ["", field["SignedHeaders"], hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"],
                      f"{day}/{region}/{name}/aws4_request",
                      hashlib.sha256(canonical.encode()).hexdigest()])
    sign = ("AWS4" + AWS[1]).encode()
    for part in (day, region, name, "aws4_request"):
        sign = hmac.new(sign, part.encode(), "sha256").digest()
    need(hmac.new(sign, text.encode(), "sha256").hexdigest() == field["Signature"], "signature")


def bedrock(path, headers, body):
    need(re.fullmatch(r"/model/[^/]+/converse", path), f"path {path}")
    need(all(m["content"][0]["text"] for m in body["messages"]), "messages")
    text = body["messages"][-1]["content"][0]["text"].upper()
    return reply({"output": {"message": {"role": "assistant", "content": [{"text": text}]}},
                  "stopReason": "end_turn", "metrics": {"latencyMs": 1},
                  "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}})


def sagemaker(path, headers, body):
    need(re.fullmatch(r"/endpoints/[^/]+/invocations", path), f"path {path}")
    return reply([{"generated_text": body["inputs"].upper()}])


class Jobs:
    """Answers that are asked for: each is ready at the second question."""

    def __init__(self):
        self.asked = {}

    def status(self, job, pending, ready):
        self.asked[job] = self.asked.get(job, 0) + 1
        return ready if self.asked[job] > 1 else pending


JOBS = Jobs()


def replicate(path, headers, body):
    here = f"http://{headers['host']}{headers['x-mounted']}"
    found = re.fullmatch(r"/v1/predictions/(.+)", path)
    if found:
        text = urllib.parse.unquote(found[1])
        done = {"status": "succeeded", "output": words(text.upper()), "error": None,
                "metrics": {"input_token_count": 7, "output_token_count": 3, "predict_time": 0.1}}
        state = JOBS.status(path, {"status": "processing", "output": None, "error": None}, done)
    else:
        need(re.fullmatch(r"/v1/models/[^/]+/[^/]+/predictions", path), f"path {path}")
        text = body["input"]["prompt"]
        state = {"status": "starting", "output": None, "error": None}
    url = f"{here}/v1/predictions/{urllib.parse.quote(text)}"
    return reply({"id": urllib.parse.quote(text), "model": "o/m", "version": "v", "input": {},
                  "logs": "", "created_at": "2026-01-01T00:00:00Z",
                  "urls": {"get": url, "cancel": url + "/cancel"}, **state})


def runpod_job(path, headers, body):
    found = re.fullmatch(r"/v2/ep1/status/(.+)", path)
    if not found:
        need(path == "/v2/ep1/run", f"path {path}")
        return reply({"id": urllib.parse.quote(body["input"]["prompt"]), "status": "IN_QUEUE"})
    text = urllib.parse.unquote(found[1]).upper()
    return reply({"id": found[1], "delayTime": 1, **JOBS.status(
        path, {"status": "IN_PROGRESS"},
        {"status": "COMPLETED", "executionTime": 2,
         "output": [{"choices": [{"tokens": [text]}], "usage": {"input": 7, "output": 3}}]})})


def crewai(path, headers, body):
    found = re.fullmatch(r"/status/(.+)", path)
    if not found:
        need(path == "/kickoff", f"path {path}")
        return reply({"kickoff_id": urllib.parse.quote(body["inputs"]["prompt"])})
    return reply(JOBS.status(path, {"state": "RUNNING", "result": None}, {
        "state": "SUCCESS", "result": urllib.parse.unquote(found[1]).upper()}))


def tensors(path, headers, raw):
    """Open Inference Protocol v2 of a model that answers its text in upper case."""
    need(re.fullmatch(r"/v2/models/m(/versions/\d+)?/infer", path), f"path {path}")
    size = headers.get("inference-header-content-length")
    head = json.loads(raw[:int(size)] if size else raw)
    one = head["inputs"][0]
    need(one["datatype"] == "BYTES" and one["shape"] == [1], "an input")
    if size:
        rest = raw[int(size):]
        need(len(rest) == one["parameters"]["binary_data_size"], "binary_data_size")
        need(struct.unpack("<I", rest[:4])[0] == len(rest) - 4, "one element")
        text = rest[4:].decode().upper()
    else:
        text = one["data"][0].upper()
    wanted = (head.get("outputs") or [{}])[0].get("parameters", {}).get("binary_data") or \
        head.get("parameters", {}).get("binary_data_output")
    answer = {"name": "text_output", "datatype": "BYTES", "shape": [1]}
    if not wanted:
        return reply({"model_name": "m", "outputs": [{**answer, "data": [text]}]})
    data = struct.pack("<I", len(text.encode())) + text.encode()
    scores = struct.pack("<2f", 0.25, 0.75)
    head = json.dumps({"model_name": "m", "model_version": "1", "outputs": [
        {"name": "scores", "datatype": "FP32", "shape": [2],
         "parameters": {"binary_data_size": len(scores)}},
        {**answer, "parameters": {"binary_data_size": len(data)}}]}).encode()
    return f"application/octet-stream; head={len(head)}", head + scores + data


def simple(route, question, answer):
    """A service that takes `question(text)` at a route and says `answer(TEXT)`."""
    def talk(path, headers, body):
        need(re.fullmatch(route, path), f"path {path}")
        text = question(body)
        need(isinstance(text, str), "a text")
        return reply(answer(text.upper()))
    return talk


def completion(path, headers, body):
    need(path == "/completion" and body["n_predict"] > 0, f"path {path}")
    parts = [{"content": word, "stop": False} for word in words(body["prompt"].upper())]
    return sse(*parts, {"content": "", "stop": True, "stop_type": "eos", "tokens_predicted": 3,
                        "tokens_evaluated": 7})


def bearer(headers):
    need(headers.get("authorization") == f"Bearer {KEY}", "Authorization: Bearer KEY")


def header(name):
    return lambda headers: need(headers.get(name) == KEY, f"{name}: KEY")


def either(name):
    return lambda headers: need(headers.get(name, headers.get("authorization", "")[7:]) == KEY,
                                f"{name}: KEY")


def nothing(headers):
    need("authorization" not in headers, "no key at all")


def modal(headers):
    need(headers.get("modal-key") == KEY and headers.get("modal-secret") == KEY, "Modal-Key")


# NAME: (what it says, what it checks of the headers)
VENDORS = {
    "openai": (openai, bearer), "openai-key": (openai, header("api-key")),
    "openai-free": (openai, nothing), "openai-modal": (openai, modal),
    "anthropic": (anthropic, either("x-api-key")), "gemini": (gemini, header("x-goog-api-key")),
    "vertex": (gemini, bearer), "cohere": (cohere, bearer), "bedrock": (bedrock, None),
    "sagemaker": (sagemaker, None), "replicate": (replicate, bearer),
    "runpod-job": (runpod_job, bearer), "crewai": (crewai, bearer),
    "llama-cpp-completion": (completion, bearer), "tensors": (tensors, bearer),
    "vertex-predict": (simple(r"/v1/projects/.+/endpoints/m:predict",
                              lambda b: b["instances"][0]["prompt"],
                              lambda t: {"predictions": [t], "deployedModelId": "1"}), bearer),
    "azure-ml": (simple("/score", lambda b: b["question"], lambda t: {"answer": t}), bearer),
    "modal-web": (simple("/?", lambda b: b["prompt"], lambda t: {"output": t}), modal),
    "triton": (simple("/v2/models/m/generate", lambda b: b["text_input"], lambda t: {
        "text_output": t, "model_name": "m", "model_version": "1"}), nothing),
    "kserve-v1": (simple("/v1/models/m:predict", lambda b: b["instances"][0],
                         lambda t: {"predictions": [t]}), bearer),
    "torchserve": (simple("/predictions/m", lambda b: b["data"], lambda t: t), bearer),
    "mlflow": (simple("/invocations", lambda b: b["inputs"][0], lambda t: {"predictions": [t]}),
               nothing),
    "bentoml": (simple("/m", lambda b: b["text"], lambda t: t), bearer),
    "ray-serve-http": (simple("/?", lambda b: b["text"], lambda t: t), nothing),
    "tei": (simple("/predict", lambda b: b["inputs"], lambda t: [
        {"score": 0.9, "label": t}, {"score": 0.1, "label": "other"}]), bearer),
    "lmstudio-native": (simple("/api/v1/chat", lambda b: b["input"], lambda t: {
        "model_instance_id": "m", "output": [{"type": "message", "content": t}],
        "stats": {"input_tokens": 7, "total_output_tokens": 3}}), bearer),
    "langserve": (simple("/m/invoke", lambda b: b["input"], lambda t: {
        "output": {"content": t, "type": "ai"}, "metadata": {"run_id": "1"}}), nothing),
    "langgraph": (simple("/runs/wait", lambda b: last_user(b["input"]["messages"]), lambda t: {
        "messages": [{"type": "human", "content": "x"}, {"type": "ai", "content": t}]}),
        header("x-api-key")),
    "llamaindex": (simple("/workflows/m/run", lambda b: b["start_event"]["query"], lambda t: {
        "result": {"value": {"result": t}}, "status": "completed"}), nothing),
    "hayhooks": (simple("/m/run", lambda b: b["question"], lambda t: {"result": t}), nothing),
    "prompt-armor": (simple("/v1/analyze/input", lambda b: b["text"], lambda t: {
        "containsInjection": t}), header("api-key")),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k.lower(): v for k, v in self.headers.items()}
        name, _, path = self.path[1:].partition("/")
        path = "/" + path if path or name in self.path[1:] else ""
        if name not in VENDORS:
            name, path = self.server.root, self.path
        talk, key = VENDORS[name]
        with self.server.lock:
            self.server.seen.append((self.command, self.path, headers, raw))
        try:
            if key:
                key(headers)
            else:
                check_aws(self.command, self.path, headers, raw, name)
            headers["x-mounted"] = f"/{name}"
            body = raw if name == "tensors" else json.loads(raw or b"null")
            kind, data = talk(path.partition("?")[0], headers, body)
            status = 200
        except (Refused, KeyError, IndexError, TypeError, ValueError) as problem:
            status, (kind, data) = 400, reply({"error": {"message": f"stub: {problem!r}"}})
        self.send_response(status)
        kind, _, head = kind.partition("; head=")
        self.send_header("Content-Type", kind)
        if head:
            self.send_header("Inference-Header-Content-Length", head)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen = []
        self.root = "openai"  # whose are the paths that begin with no vendor's name
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()
