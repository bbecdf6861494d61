#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signs the requests below with botocore and writes sigv4_vectors.tsv.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install botocore
    /tmp/venv/bin/python tests/net/make_sigv4_vectors.py > tests/net/sigv4_vectors.tsv

Columns: method, URL, content type, body, session token, service, milliseconds since 1970, and the
Authorization header. The key is the one of AWS's own test suite, and so are the first two requests
(get-vanilla, get-vanilla-query-order-key-case); the others hold what Bedrock's URLs do.
"""
import datetime
import unittest.mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials

KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
CASES = [
    ("GET", "https://example.amazonaws.com/", "", "", "", "service"),
    ("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", "", "", "", "service"),
    ("POST", "https://example.amazonaws.com/", "application/json", "{}", "", "service"),
    ("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/a.b-v1%3A0/converse",
     "application/json", '{"messages":[]}', "", "bedrock"),
    ("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Ax%2Fy/converse",
     "application/json", '{"a":"\u00e9"}', "FQoGZXIvYXdzEXAMPLE", "bedrock"),
    ("POST", "http://127.0.0.1:8080/endpoints/m/invocations?x&b=%20", "application/json", "x", "",
     "sagemaker"),
]
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0)


def main():
    for method, url, kind, body, token, service in CASES:
        headers = {"Content-Type": kind} if kind else {}
        request = botocore.awsrequest.AWSRequest(method, url, headers, body.encode())
        credentials = botocore.credentials.Credentials(*KEY, token or None)
        signer = botocore.auth.SigV4Auth(credentials, service, "us-east-1")
        with unittest.mock.patch("botocore.auth.get_current_datetime", return_value=NOW):
            signer.add_auth(request)
        ms = int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)
        print("\t".join([method, url, kind, body, token, service, str(ms),
                         request.headers["Authorization"]]))


if __name__ == "__main__":
    main()
