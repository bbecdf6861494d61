#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drives the vendors' own clients against vendors.py, by hand, before a preset is called checked.

    python3 -m venv /tmp/venv
    /tmp/venv/bin/pip install openai anthropic ollama google-genai cohere mistralai groq together \
        fireworks-ai cerebras_cloud_sdk boto3 replicate huggingface_hub 'tritonclient[http]' \
        'langserve[client]' perplexityai openrouter runpod langchain-nvidia-ai-endpoints \
        google-cloud-aiplatform crewai-tools
    /tmp/venv/bin/python tests/runner/vendor_clients.py [NAME...]

Each must be accepted (path, key, body) and read the answer out of what the server says; where it
has an address of its own, it must be the one of the preset. Vendors whose documentation names
OpenAI's client instead of one of theirs are in NAMED, with the address that it gives. Prints a line
a client with its version; exit code 1 when one is not served. Where packages want different
versions of others, in environments of their own.
"""
import importlib.metadata
import os
import re
import sys
import pathlib
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from endpoint import Endpoint  # noqa: E402
from vendors import AWS, KEY, Server  # noqa: E402

for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
    del os.environ[name]
server = Server()
endpoint = Endpoint()
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "say one"}]
SAID = "SAY ONE"


PRESETS = pathlib.Path(__file__).resolve().parents[2] / "harness/target/presets"


def preset_base(name, **with_):
    """The address in the preset's file, its parameters filled in."""
    text = (PRESETS / f"{name}.yaml").read_text()
    base = re.search(r"^base: (.*)$", text, re.M)[1].strip("'\"")
    for key, value in {"endpoint": "openapi", **with_}.items():
        base = base.replace("{{ %s }}" % key, value)
    assert "{{" not in base, base
    return base


def same_place(preset, own, mounted, **with_):
    """What the client asked, with its own address for that of the stub, is what assay asks."""
    path = urllib.parse.urlsplit(server.seen[-1][1]).path
    assert path.startswith(mounted), path
    asked, ours = str(own).rstrip("/") + path[len(mounted):], preset_base(preset, **with_)
    assert asked == ours + "/chat/completions", (asked, ours)


def openai_like(client, **more):
    whole = client.chat.completions.create(model="m", messages=TALK, max_tokens=20, **more)
    stream = client.chat.completions.create(model="m", messages=TALK, max_tokens=20, stream=True,
                                            **more)
    pieces = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert whole.choices[0].message.content == pieces, (whole, pieces)
    assert whole.usage.prompt_tokens == 7
    return pieces


def openai():
    import openai as sdk
    return openai_like(sdk.OpenAI(base_url=server.url + "/openai", api_key=KEY))


def azure():
    import openai as sdk
    client = sdk.AzureOpenAI(base_url=server.url + "/openai-key", api_key=KEY,
                             api_version="2024-10-21")
    said = openai_like(client)
    assert server.seen[-1][1].endswith("?api-version=2024-10-21"), server.seen[-1][1]
    return said


def anthropic():
    import anthropic as sdk
    client = sdk.Anthropic(base_url=server.url + "/anthropic", api_key=KEY)
    ask = {"model": "m", "max_tokens": 20, "system": "Be brief.", "messages": TALK[1:]}
    whole = client.messages.create(**ask)
    assert whole.content[0].text == SAID and whole.usage.input_tokens == 7
    with client.messages.stream(**ask) as stream:
        said = "".join(stream.text_stream)
        assert stream.get_final_message().usage.output_tokens == 3
    return said


def gemini():
    from google import genai
    client = genai.Client(api_key=KEY, http_options={"base_url": server.url + "/gemini"})
    whole = client.models.generate_content(model="m", contents="say one")
    assert whole.text == SAID and whole.usage_metadata.prompt_token_count == 7
    return "".join(c.text or "" for c in client.models.generate_content_stream(
        model="m", contents="say one"))


def cohere():
    import cohere as sdk
    client = sdk.ClientV2(api_key=KEY, base_url=server.url + "/cohere")
    whole = client.chat(model="m", messages=TALK, max_tokens=20)
    assert whole.message.content[0].text == SAID and whole.usage.tokens.input_tokens == 7
    return "".join(e.delta.message.content.text for e in client.chat_stream(
        model="m", messages=TALK, max_tokens=20) if e.type == "content-delta")


def mistral():
    try:
        from mistralai import Mistral
    except ImportError:
        from mistralai.client import Mistral
    client = Mistral(api_key=KEY, server_url=server.url + "/openai")
    whole = client.chat.complete(model="m", messages=TALK, max_tokens=20, random_seed=3,
                                 temperature=0.5)
    assert b'"random_seed"' in server.seen[-1][3]
    same_place("mistral", Mistral(api_key=KEY).sdk_configuration.get_server_details()[0], "/openai")
    return whole.choices[0].message.content


# What the vendor's documentation gives OpenAI's client as its base_url.
NAMED = {
    "azure": "https://r.openai.azure.com/openai/v1/",
    "azure-foundry": "https://r.services.ai.azure.com/openai/v1/",
    "bedrock-openai": "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
    "deepseek": "https://api.deepseek.com",
    "lmdeploy": "http://0.0.0.0:23333/v1",
    "lmstudio": "http://localhost:1234/v1",
    "ray-serve": "http://localhost:8000/v1",
    "runpod": "https://api.runpod.ai/v2/ep1/openai/v1",
    "sglang": "http://127.0.0.1:30000/v1",
    "tensorrt-llm": "http://localhost:8000/v1",
    "triton-openai": "http://localhost:9000/v1",
    "vertex": "https://us-west-2-aiplatform.googleapis.com/v1/projects/p/locations/us-west-2/"
              "endpoints/openapi",
    "xai": "https://api.x.ai/v1",
}


def named():
    import openai as sdk
    said = set()
    for preset, base in NAMED.items():
        url = urllib.parse.urlsplit(base)
        said.add(openai_like(sdk.OpenAI(base_url=f"{server.url}/openai{url.path}", api_key=KEY)))
        asked = server.seen[-1]
        assert asked[2]["authorization"] == f"Bearer {KEY}"
        asks = "/openai" + url.path.rstrip("/") + "/chat/completions"
        assert asked[1] == asks, (asked[1], asks)
        here = base.rstrip("/").replace("localhost", "127.0.0.1").replace("0.0.0.0", "127.0.0.1")
        more = {"endpoint": "ep1"} if preset == "runpod" else {}
        ours = preset_base(preset, resource="r", region="us-west-2", project="p", **more)
        assert ours == here, (preset, ours, here)
    return said.pop() if len(said) == 1 else said


def groq():
    import groq as sdk
    said = openai_like(sdk.Groq(api_key=KEY, base_url=server.url + "/openai"))
    same_place("groq", sdk.Groq(api_key=KEY).base_url, "/openai")
    return said


def perplexity():
    import perplexity as sdk
    said = openai_like(sdk.Perplexity(api_key=KEY, base_url=server.url + "/openai"))
    same_place("perplexity", sdk.Perplexity(api_key=KEY).base_url, "/openai")
    return said


def nvidia():
    from langchain_nvidia_ai_endpoints import ChatNVIDIA, _doctor
    client = ChatNVIDIA(model="m", base_url=server.url + "/openai/v1", api_key=KEY,
                        max_completion_tokens=20)
    whole = client.invoke("say one")
    assert whole.usage_metadata["input_tokens"] == 7
    same_place("nvidia", _doctor._DEFAULT_URL, "/openai/v1")
    return "".join(piece.content for piece in client.stream("say one"))


def openrouter():
    from openrouter import OpenRouter
    client = OpenRouter(api_key=KEY, server_url=server.url + "/openai/v1")
    ask = {"model": "m", "messages": TALK, "max_tokens": 20}
    whole = client.chat.send(**ask)
    pieces = "".join(c.choices[0].delta.content or "" for c in client.chat.send(stream=True, **ask)
                     if c.choices)
    assert whole.choices[0].message.content == pieces, (whole, pieces)
    own = OpenRouter(api_key=KEY).sdk_configuration.get_server_details()[0]
    same_place("openrouter", own, "/openai/v1")
    return pieces


def together():
    import together as sdk
    said = openai_like(sdk.Together(api_key=KEY, base_url=server.url + "/openai"))
    same_place("together", sdk.Together(api_key=KEY).base_url, "/openai")
    return said


def fireworks():
    from fireworks.client import Fireworks
    return openai_like(Fireworks(api_key=KEY, base_url=server.url + "/openai"))


def cerebras():
    from cerebras.cloud.sdk import Cerebras
    client = Cerebras(api_key=KEY, base_url=server.url + "/openai", warm_tcp_connection=False)
    whole = client.chat.completions.create(model="m", messages=TALK, max_completion_tokens=20)
    own = Cerebras(api_key=KEY, warm_tcp_connection=False).base_url
    same_place("cerebras", own, "/openai")
    return whole.choices[0].message.content


def huggingface():
    from huggingface_hub import InferenceClient
    client = InferenceClient(base_url=server.url + "/openai", api_key=KEY)
    return client.chat_completion(TALK, model="m", max_tokens=20).choices[0].message.content


def aws(service, **more):
    import boto3
    return boto3.client(service, region_name="us-east-1", aws_access_key_id=AWS[0],
                        aws_secret_access_key=AWS[1], **more)


def bedrock():
    client = aws("bedrock-runtime", endpoint_url=server.url + "/bedrock")
    whole = client.converse(modelId="a.b-v1:0", inferenceConfig={"maxTokens": 20},
                            system=[{"text": "Be brief."}],
                            messages=[{"role": "user", "content": [{"text": "say one"}]}])
    assert "%3A" in server.seen[-1][1], server.seen[-1][1]
    return whole["output"]["message"]["content"][0]["text"]


def sagemaker():
    client = aws("sagemaker-runtime", endpoint_url=server.url + "/sagemaker")
    whole = client.invoke_endpoint(EndpointName="m", ContentType="application/json",
                                   Body=b'{"inputs": "say one"}')
    import json
    return json.loads(whole["Body"].read())[0]["generated_text"]


def replicate():
    import replicate as sdk
    client = sdk.Client(api_token=KEY, base_url=server.url + "/replicate")
    said = client.run("o/m", input={"prompt": "say one"})
    return "".join(said)


def triton():
    import numpy
    import tritonclient.http as sdk
    client = sdk.InferenceServerClient(server.url[7:] + "/tensors")
    for binary in (True, False):
        tensor = sdk.InferInput("text_input", [1], "BYTES")
        tensor.set_data_from_numpy(numpy.array([b"say one"], dtype=object), binary_data=binary)
        found = client.infer("m", [tensor], headers={"Authorization": f"Bearer {KEY}"}, outputs=[
            sdk.InferRequestedOutput("text_output", binary_data=binary)])
        said = found.as_numpy("text_output")[0]
        said = said.decode() if isinstance(said, bytes) else said
        assert said == SAID, said
        if binary:
            assert list(found.as_numpy("scores")) == [0.25, 0.75]
    return said


def langserve():
    from langserve import RemoteRunnable
    said = RemoteRunnable(server.url + "/langserve/m").invoke("say one")
    return said["content"] if isinstance(said, dict) else said.content


def ollama():
    import ollama as sdk
    client = sdk.Client(host=endpoint.url + "/x")
    whole = client.chat(model="m", messages=TALK)
    assert whole["message"]["content"] == SAID and whole["eval_count"] == 3
    return "".join(p["message"]["content"] for p in client.chat(model="m", messages=TALK,
                                                                stream=True))


def tgi():
    from huggingface_hub import InferenceClient
    client = InferenceClient(endpoint.url + "/generate")
    said = client.text_generation("say one", max_new_tokens=20, details=True)
    assert said.details.generated_tokens == 3
    return said.generated_text


def tgi_chat():
    from huggingface_hub import InferenceClient
    client = InferenceClient(server.url + "/openai", token=KEY)
    whole = client.chat_completion(TALK, max_tokens=20)
    assert whole.usage.prompt_tokens == 7
    assert server.seen[-1][1] == "/openai/v1/chat/completions", server.seen[-1][1]
    return "".join(c.choices[0].delta.content or "" for c in client.chat_completion(
        TALK, max_tokens=20, stream=True) if c.choices)


def tei():
    from huggingface_hub import InferenceClient
    said = InferenceClient(server.url + "/tei/predict", token=KEY).text_classification("say one")
    return (said[0] if isinstance(said, list) else said).label


def google_key():
    from google.oauth2.credentials import Credentials
    return Credentials(KEY)


def vertex_gemini():
    from google import genai
    client = genai.Client(vertexai=True, project="p", location="us-central1",
                          credentials=google_key(),
                          http_options={"base_url": server.url + "/vertex", "api_version": "v1"})
    whole = client.models.generate_content(model="m", contents="say one")
    assert whole.text == SAID and whole.usage_metadata.prompt_token_count == 7
    said = "".join(c.text or "" for c in client.models.generate_content_stream(
        model="m", contents="say one"))
    place = "/vertex/v1/projects/p/locations/us-central1/publishers/google/models/m"
    assert server.seen[-1][1] == place + ":streamGenerateContent?alt=sse", server.seen[-1][1]
    return said


def vertex_predict():
    from google.cloud import aiplatform_v1 as sdk
    server.root = "vertex-predict"
    client = sdk.PredictionServiceClient(transport="rest", credentials=google_key(),
                                         client_options={"api_endpoint": server.url})
    found = client.predict(endpoint="projects/p/locations/us-central1/endpoints/m",
                           instances=[{"prompt": "say one"}])
    return found.predictions[0]


def runpod_job():
    import runpod as sdk
    sdk.api_key, sdk.endpoint_url_base = KEY, server.url + "/runpod-job/v2"
    job = sdk.Endpoint("ep1").run({"input": {"prompt": "say one"}})
    return job.output(timeout=30)[0]["choices"][0]["tokens"][0]


def crewai():
    from crewai_tools import InvokeCrewAIAutomationTool
    return InvokeCrewAIAutomationTool(
        crew_api_url=server.url + "/crewai", crew_bearer_token=KEY, crew_name="a crew",
        crew_description="says it", crew_inputs={"prompt": "what"}).run(prompt="say one")


CLIENTS = {
    ollama: "ollama", tgi: "huggingface-hub", openai: "openai", azure: "openai", named: "openai",
    anthropic: "anthropic", gemini: "google-genai", perplexity: "perplexityai",
    openrouter: "openrouter", cohere: "cohere", mistral: "mistralai", groq: "groq",
    together: "together", fireworks: "fireworks-ai", cerebras: "cerebras-cloud-sdk",
    huggingface: "huggingface-hub", bedrock: "boto3", sagemaker: "boto3", replicate: "replicate",
    triton: "tritonclient", langserve: "langserve", nvidia: "langchain-nvidia-ai-endpoints",
    tgi_chat: "huggingface-hub", tei: "huggingface-hub", vertex_gemini: "google-genai",
    vertex_predict: "google-cloud-aiplatform", runpod_job: "runpod", crewai: "crewai-tools"}


def main():
    failed = 0
    for ask, package in CLIENTS.items():
        if sys.argv[1:] and ask.__name__ not in sys.argv[1:]:
            continue
        try:
            version = importlib.metadata.version(package)
            said = ask()
            assert said == SAID, f"read {said!r}"
            print(f"ok    {ask.__name__:12} {package} {version}")
        except Exception as problem:  # whatever a client throws is its verdict
            failed += 1
            print(f"FAIL  {ask.__name__:12} {package}: {type(problem).__name__}: {problem}"[:400])
    server.close()
    endpoint.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
