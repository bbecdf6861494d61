#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How targets behind HTTP are loaded, balanced and compared, through the binary.

    serving.py BINARY [CLASS...]
"""
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import remote  # noqa: E402
from endpoint import Endpoint  # noqa: E402


class Serving(remote.Remote):
    def bench(self, *args, code=0):
        done = self.assay("bench", *args, "--format", "json", code=code)
        return json.loads(done.stdout)

    def uri(self, path, keys="", endpoint=None):
        return f"openai:{(endpoint or self.endpoint).url}/{path}#m{keys}"

    def other(self):
        endpoint = Endpoint()
        self.addCleanup(endpoint.close)
        return endpoint


class Knee(Serving):
    def test_finds_where_more_brings_nothing(self):
        # 6 at a time, 30 ms each: whatever the machine does, 12 bring no more than 6.
        found, rows, _ = self.run_suite(self.suite("slots,6,0.03/v1", 700), "-j", "auto")
        self.assertEqual(found["cases"]["ok"], 700)
        serving = found["serving"]
        self.assertTrue(serving["adaptive"])
        self.assertEqual(serving["steps"][0]["concurrency"], 4)
        self.assertLess(serving["concurrency"], 64)

    def test_overload_is_backed_off_from(self):
        # Every second of the requests 61 to 140 is refused, however many are under way.
        found, rows, _ = self.run_suite(self.suite("refuse,60,140/v1", 200, "?retries=50"),
                                        "-j", "auto")
        self.assertEqual(found["cases"]["ok"], 200)
        self.assertEqual(sum(row["attempts"] for row in rows), 240)
        steps = found["serving"]["steps"]
        broken_off = [i for i, step in enumerate(steps) if step.get("overload")]
        self.assertTrue(broken_off)
        for i in broken_off:
            self.assertIsNone(steps[i]["per_s"])
            if i + 1 < len(steps):
                self.assertEqual(steps[i + 1]["concurrency"],
                                 max(1, steps[i]["concurrency"] // 2))

    def test_bench_and_refusals(self):
        found = self.bench(self.uri("slots,4,0.02/v1", "?stream=no"), "-j", "auto", "--requests",
                           "400")
        self.assertEqual(found["answered"], 400)
        self.assertTrue(found["serving"]["adaptive"])
        suite = self.suite("x/v1", 3)
        self.refused("run", suite, "-j", "auto", "--rate", "5", "--no-store", says=["closed loop"])
        self.refused("run", suite, "-j", "auto", "--target", "mock:echo", "--no-store",
                     says=["behind HTTP"])
        self.refused("run", suite, "-j", "some", says=["or auto"])
        self.refused("bench", "mock:echo", "-j", "auto", says=["behind HTTP"])


class Replicas(Serving):
    def two(self, path="x", keys="", other_path=None):
        other = self.other()
        uri = f"openai:{self.endpoint.url}/{path}/v1,{other.url}/{other_path or path}/v1/#m{keys}"
        return other, uri

    def test_least_in_flight_shares_the_work(self):
        other, uri = self.two("latency,0.01")
        found, rows, _ = self.run_suite(self.suite("x/v1", 200), "--target", uri, "-j", "8")
        self.assertEqual(found["metrics"]["exact_match"]["value"], 1)
        replicas = found["serving"]["replicas"]
        self.assertEqual([r["url"] for r in replicas],
                         [f"{self.endpoint.url}/latency,0.01/v1", f"{other.url}/latency,0.01/v1"])
        self.assertEqual([r["answers"] for r in replicas],
                         [self.endpoint.count("latency"), other.count("latency")])
        self.assertEqual(sum(r["answers"] for r in replicas), 200)
        for r in replicas:
            self.assertGreater(r["answers"], 30)
            self.assertGreater(r["p50_ms"], 10)
            self.assertGreaterEqual(r["max_ms"], r["p95_ms"])
        self.assertIn(uri, rows[0]["target"])

    def test_a_slow_one_gets_less(self):
        other, uri = self.two("latency,0.005", other_path="latency,1")
        found, _, _ = self.run_suite(self.suite("x/v1", 200), "--target", uri, "-j", "8")
        fast, slow = found["serving"]["replicas"]
        self.assertGreater(fast["answers"], slow["answers"])

    def test_a_dead_one_costs_no_case(self):
        other, uri = self.two()
        other.close()
        found, rows, done = self.run_suite(self.suite("x/v1", 60), "--target", uri, "-j", "4")
        self.assertEqual(found["cases"]["ok"], 60)
        alive, dead = found["serving"]["replicas"]
        self.assertEqual((alive["answers"], dead["answers"]), (60, 0))
        self.assertTrue(dead["lost"])
        self.assertIn("is given up: nothing answers at", done.stderr)

    def test_a_sick_one_is_ejected_and_comes_back(self):
        other, uri = self.two("latency,0.02", "?retries=1", other_path="status,500,4")
        found, rows, _ = self.run_suite(self.suite("x/v1", 300), "--target", uri, "-j", "4")
        self.assertEqual(found["cases"]["ok"], 300)
        well, sick = found["serving"]["replicas"]
        self.assertGreaterEqual(sick["ejected"], 1)
        self.assertIn(sick["errors"], (3, 4))
        self.assertGreater(sick["answers"], 0)

    def test_all_dead_is_not_measured(self):
        other, uri = self.two()
        other.close()
        self.endpoint.close()
        found, rows, done = self.run_suite(self.suite("x/v1", 20), "--target", uri, code=3)
        self.assertEqual(found["cases"]["ok"], 0)
        self.assertLess(found["wall_s"], 20)
        self.assertTrue(all(r["lost"] for r in found["serving"]["replicas"]))

    def test_a_key_that_one_rejects_ends_that_one(self):
        other, uri = self.two("x", "?stream=no", other_path="status,401")
        found, _, done = self.run_suite(self.suite("x/v1", 40), "--target", uri, "-j", "4")
        self.assertEqual(found["cases"]["ok"], 40)
        self.assertLessEqual(other.count("401"), 4)
        self.assertIn("is given up", done.stderr)

    def test_disagreement_on_the_same_prompts(self):
        other, uri = self.two("x", "?stream=no&twice=100", other_path="other,4")
        rows = [{"id": f"c-{i}", "text": f"say word {i}", "expected": f"SAY WORD {i}"}
                for i in range(40)]
        found, lines, _ = self.run_suite(self.suite("x/v1", rows=rows), "--target", uri, "-j", "4")
        self.assertEqual(len(self.endpoint.seen) + len(other.seen), 80)
        asked = [sorted(json.loads(body)["messages"][0]["content"] for _, _, body, _ in e.seen)
                 for e in (self.endpoint, other)]
        self.assertEqual(asked[0], asked[1])
        replicas = found["serving"]["replicas"]
        self.assertEqual(sum(r["compared"] for r in replicas), 40)
        self.assertEqual(sum(r["disagreed"] for r in replicas), 10)  # every fourth of 0 to 39
        self.assertEqual(len(lines), 40)

    def test_agreement_and_a_share(self):
        other, uri = self.two("x", "?twice=30")
        found, _, _ = self.run_suite(self.suite("x/v1", 100), "--target", uri)
        compared = sum(r["compared"] for r in found["serving"]["replicas"])
        self.assertTrue(10 < compared < 60, compared)
        self.assertEqual(sum(r["disagreed"] for r in found["serving"]["replicas"]), 0)

    def test_one_cache_for_all(self):
        other, uri = self.two()
        suite = self.suite("x/v1", 10)
        self.run_suite(suite, "--target", uri, "--cache", "c")
        self.run_suite(suite, "--target", uri, "--cache", "c", "--fresh", "--offline")
        self.assertEqual(len(self.endpoint.seen) + len(other.seen), 10)

    def test_mistakes(self):
        suite = self.suite("x/v1", 3)
        url = self.endpoint.url
        for uri, says in ((f"openai:{url}/v1,{url}/v1#m", "stands twice"),
                          (f"openai:{url}/v1,http://#m", "http://"),
                          (f"openai:{url}/v1#m?twice=5", "name several"),
                          (f"openai:{url}/v1,http://h/v1#m?twice=0", "whole number"),
                          (f"openai:{url}/v1#m?metrics=perhaps", "there are yes, no and URLs")):
            self.refused("run", suite, "--target", uri, "--no-store", says=[says])


class Duel(Serving):
    def test_two_targets_in_turn(self):
        a = self.uri("latency,0.01/v1", "?stream=no")
        b = self.uri("latency,0.15/v1", "?stream=no")
        found = self.bench(a, b, "--requests", "20", "-j", "2", "--warmup", "2")
        self.assertEqual((found["a"]["answered"], found["b"]["answered"]), (20, 20))
        ratios = found["ratios"]
        self.assertEqual(ratios["e2e_ms"]["pairs"], 10)
        self.assertGreater(ratios["e2e_ms"]["ci"][0], 1)  # 150 ms are more than 10
        self.assertLess(ratios["requests_per_s"]["ci"][1], 1)
        self.assertIsNone(ratios["ttft_ms"]["ratio"])
        order = "".join("a" if "0.01" in path else "b" for path, *_ in self.endpoint.seen)
        self.assertEqual(order[:4], "aabb")  # the warm-ups
        blocks = [order[4:][i] for i in range(0, 40, 2)]
        self.assertEqual("".join(blocks), "abba" * 5)
        prompts = [[json.loads(body)["messages"][0]["content"] for path, _, body, _ in
                    self.endpoint.seen if part in path] for part in ("0.01", "0.15")]
        self.assertEqual(sorted(prompts[0]), sorted(prompts[1]))

    def test_text_and_mistakes(self):
        uri = self.uri("slow,0.002/v1")
        done = self.assay("bench", uri, uri, "--requests", "10", "-j", "2")
        for words in ("B / A over pairs", "ttft", "guidellm", "e2e: start to last byte"):
            self.assertIn(words, done.stdout)
        self.refused("bench", uri, uri, uri, says=["or two to compare"])
        self.refused("bench", uri, uri, "--sweep", says=["one target"])
        bad = self.uri("status,500/v1", "?retries=0")
        done = self.assay("bench", uri, bad, "--requests", "4", code=3)
        self.assertIn("no request to B was answered", done.stderr)

    def test_what_others_call_it(self):
        # 4 words: 4 pieces of text, 20 ms apart; usage says 3 tokens.
        found = self.bench(self.uri("slow,0.02/v1"), "--requests", "10", "--prompt", "a b c", "-j", "2")
        peers = found["peers"]
        self.assertEqual(peers["vllm"]["tpot_ms"], found["tpot_ms"])
        self.assertEqual(peers["vllm"]["itl_ms"], found["itl_ms"])
        self.assertEqual(peers["aiperf"]["itl_ms"], found["tpot_ms"])
        self.assertEqual(peers["guidellm"]["tpot_ms"], peers["llmperf"]["itl_ms"])
        gaps = found["itl_ms"]["n"] / 10
        self.assertGreaterEqual(gaps, 2)
        tokens = 4  # what usage says of these prompts
        self.assertAlmostEqual(peers["guidellm"]["itl_ms"]["mean"] * (tokens - 1),
                               found["itl_ms"]["mean"] * gaps, delta=1e-6)
        last = found["ttft_ms"]["mean"] + found["itl_ms"]["mean"] * gaps
        self.assertAlmostEqual(peers["guidellm"]["tpot_ms"]["mean"] * tokens, last, delta=1e-6)

    def test_a_sweep_of_rates(self):
        # One at a time, 20 ms each: 50 a second, whatever the machine is doing no more.
        found = self.bench(self.uri("serial,0.02/v1", "?stream=no"), "--sweep", "--rate", "8",
                           "--requests", "16")
        rates = [row["rate"] for row in found["sweep"]]
        self.assertEqual(rates[0], 8)
        self.assertTrue(found["saturation"]["reached"])
        kept = found["saturation"]["rate"]  # None: a machine too busy even for the first
        self.assertLess(kept or 0, 60)
        self.assertIn(kept, rates + [None])


VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{model_name="m"}} {running}
vllm:num_requests_waiting{{model_name="m"}} 2.0
vllm:kv_cache_usage_perc{{engine="0",model_name="m"}} {usage}
vllm:prefix_cache_queries_total{{model_name="m"}} {queries}
vllm:prefix_cache_hits_total{{model_name="m"}} {hits}
vllm:num_preemptions_total{{model_name="m"}} {preemptions}
vllm:request_success_total{{finished_reason="stop",model_name="m"}} {done}
vllm:request_success_total{{finished_reason="length",model_name="m"}} 1.0
vllm:request_queue_time_seconds_sum{{model_name="m"}} {queue}
vllm:request_queue_time_seconds_count{{model_name="m"}} {done}
"""


class Scraped(Serving):
    def test_what_lies_between_two_readings(self):
        self.endpoint.metrics = [
            VLLM.format(running=1, usage=0.1, queries=1000, hits=900, preemptions=7, done=50, queue=10),
            VLLM.format(running=0, usage=0.4, queries=1500, hits=1000, preemptions=9, done=60,
                        queue=10.5)]
        found, _, _ = self.run_suite(self.suite("x/v1", 10, "?metrics=yes"))
        server = found["serving"]["server"]
        self.assertEqual(server["kind"], "vllm")
        self.assertEqual(server["scrapes"], 2)
        self.assertEqual((server["requests"], server["preemptions"]), (10, 2))
        self.assertAlmostEqual(server["queue_ms"], 50)
        self.assertAlmostEqual(server["prefix_cache_hit_rate"], 0.2)
        self.assertEqual((server["kv_cache_usage_max"], server["running_max"]), (0.4, 1))
        self.assertNotIn("server_ttft_ms", server)
        page = (self.dir / "o/report.html").read_text()
        self.assertIn("mean time in the server", page)
        self.assertIn("preempted", page)

    def test_a_second_server_and_its_own_address(self):
        other = self.other()
        other.metrics = ["nv_inference_request_success{model=\"a\",version=\"1\"} 5\n"
                         "nv_inference_request_success{model=\"b\",version=\"1\"} 5\n"
                         "nv_inference_queue_duration_us{model=\"a\",version=\"1\"} 1000\n",
                         "nv_inference_request_success{model=\"a\",version=\"1\"} 15\n"
                         "nv_inference_request_success{model=\"b\",version=\"1\"} 5\n"
                         "nv_inference_queue_duration_us{model=\"a\",version=\"1\"} 21000\n"]
        found = self.bench(self.uri("x/v1", f"?metrics={other.url}/metrics"), "--requests", "10")
        server = found["serving"]["server"]
        self.assertEqual((server["kind"], server["requests"], server["queue_ms"]), ("triton", 10, 2))
        self.assertEqual(self.endpoint.count("metrics"), 0)

    def test_none_are_a_warning(self):
        for texts, says in (([""], "HTTP 404"), (["up 1\n"], "no server that is known"),
                            (["this is {not it\n"], "line 1")):
            self.endpoint.metrics = texts
            found, _, done = self.run_suite(self.suite("x/v1", 3, "?metrics=yes"), "--fresh")
            self.assertNotIn("server", found["serving"])
            self.assertIn(says, done.stderr)
        self.run_suite(self.suite("x/v1", 3), "--fresh")
        self.assertEqual(self.endpoint.count("/metrics"), 3)  # nobody asked for them: not read


class Deadlines(Serving):
    def test_the_deadline_ends_a_run(self):
        start = time.time()
        suite = self.suite("latency,0.1/v1", 200)
        done = self.assay("run", suite, "--out", "o", "--no-store", "-j", "2", "--deadline", "2s",
                          code=3)
        self.assertLess(time.time() - start, 20)
        self.assertIn("the deadline is over", done.stderr)
        self.assertIn("ends after 2 s at the latest", done.stderr)
        kept = [row for row in self.lines("o") if row["outcome"] == "ok"]
        self.assertTrue(0 < len(kept) < 200)
        found, rows, _ = self.run_suite(suite, "--resume", "-j", "16")
        self.assertEqual(found["cases"]["ok"], 200)
        self.assertEqual(len({row["id"] for row in rows}), 200)

    def test_the_worst_case_is_said_and_kept(self):
        keys = "?timeout=1&retries=1&max_wait=1&patience=1"
        suite = self.suite("hang,20/v1", 4, keys)
        start = time.time()
        found, rows, done = self.run_suite(suite, "-j", "4", code=3)
        self.assertEqual({row["outcome"] for row in rows} - {"cancelled"}, {"timeout"})
        # Two attempts of 1 s and a wait of 8 s, in two rounds, and an outage of 2 s: 22 s.
        self.assertIn("at worst 22 s", done.stderr)
        self.assertLess(time.time() - start, 24)
        self.refused("run", suite, "--deadline", "soon", "--no-store", says=["90s, 10m or 2h"])

    def test_refused_is_reported_in_two_seconds(self):
        self.endpoint.close()
        found, rows, done = self.run_suite(self.suite("x/v1", 50), code=3)
        self.assertIn("nothing answers at", done.stderr)
        self.assertLess(found["wall_s"], 10)


class Ways(Serving):
    def test_through_a_proxy(self):
        # The name exists nowhere: only the proxy can have asked for it.
        suite = self.suite("x/v1", 4)
        env = {k: v for k, v in os.environ.items() if k.lower() != "no_proxy"}
        env["http_proxy"] = self.endpoint.url
        found, _, _ = self.run_suite(suite, "--target", "openai:http://models.invalid/v1#m", env=env)
        self.assertEqual(found["cases"]["ok"], 4)
        self.assertEqual({path for path, *_ in self.endpoint.seen},
                         {"http://models.invalid/v1/chat/completions"})
        env["NO_PROXY"] = "models.invalid"
        _, rows, done = self.run_suite(suite, "--fresh", "--target",
                                       "openai:http://models.invalid/v1#m?retries=0", env=env, code=3)
        self.assertEqual(len(self.endpoint.seen), 4)
        self.assertIn("nothing answers at", done.stderr)

    def test_connections_are_no_more_than_asked_for(self):
        self.run_suite(self.suite("latency,0.005/v1", 60), "-j", "3")
        self.assertLessEqual(self.endpoint.connections, 3)


if __name__ == "__main__":
    remote.main()
