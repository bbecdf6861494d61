#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drives the vendors' own clients against vendors.py, by hand, before a preset is called checked.

    python3 -m venv /tmp/venv
    /tmp/venv/bin/pip install openai anthropic ollama google-genai cohere mistralai groq together \
        fireworks-ai cerebras_cloud_sdk boto3 replicate huggingface_hub 'tritonclient[http]' \
        'langserve[client]' perplexityai openrouter
    /tmp/venv/bin/python tests/runner/vendor_clients.py

Each must be accepted (path, key, body) and read the answer out of what the server says. Prints a
line a client with its version; exit code 1 when one is not served.
"""
import importlib.metadata
import os
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from endpoint import Endpoint  # noqa: E402
from vendors import AWS, KEY, Server  # noqa: E402

for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
    del os.environ[name]
server = Server()
endpoint = Endpoint()
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "say one"}]
SAID = "SAY ONE"


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
    client = Mistral(api_key=KEY, server_url=server.url + "/openai/v1")
    whole = client.chat.complete(model="m", messages=TALK, max_tokens=20, random_seed=3,
                                 temperature=0.5)
    assert b'"random_seed"' in server.seen[-1][3]
    return whole.choices[0].message.content


def groq():
    import groq as sdk
    return openai_like(sdk.Groq(api_key=KEY, base_url=server.url + "/openai"))


def perplexity():
    import perplexity as sdk
    return openai_like(sdk.Perplexity(api_key=KEY, base_url=server.url + "/openai"))


def openrouter():
    from openrouter import OpenRouter
    client = OpenRouter(api_key=KEY, server_url=server.url + "/openai/v1")
    ask = {"model": "m", "messages": TALK, "max_tokens": 20}
    whole = client.chat.send(**ask)
    pieces = "".join(c.choices[0].delta.content or "" for c in client.chat.send(stream=True, **ask)
                     if c.choices)
    assert whole.choices[0].message.content == pieces, (whole, pieces)
    return pieces


def together():
    import together as sdk
    return openai_like(sdk.Together(api_key=KEY, base_url=server.url + "/openai"))


def fireworks():
    from fireworks.client import Fireworks
    return openai_like(Fireworks(api_key=KEY, base_url=server.url + "/openai"))


def cerebras():
    from cerebras.cloud.sdk import Cerebras
    client = Cerebras(api_key=KEY, base_url=server.url + "/openai", warm_tcp_connection=False)
    whole = client.chat.completions.create(model="m", messages=TALK, max_completion_tokens=20)
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


CLIENTS = {ollama: "ollama", tgi: "huggingface-hub", openai: "openai", azure: "openai", anthropic: "anthropic", gemini: "google-genai",
           perplexity: "perplexityai", openrouter: "openrouter", cohere: "cohere", mistral: "mistralai", groq: "groq", together: "together",
           fireworks: "fireworks-ai", cerebras: "cerebras-cloud-sdk",
           huggingface: "huggingface-hub", bedrock: "boto3", sagemaker: "boto3",
           replicate: "replicate", triton: "tritonclient", langserve: "langserve"}


def main():
    failed = 0
    for ask, package in CLIENTS.items():
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
