"""`snapcut check`: verdicts, lists, seeds."""

import json


def test_claims_are_listed_and_named_by_their_beginnings(here):
    listed = here("check", "kn.thr", "ku.gaussian_t", "--list")
    lines = listed.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["claim", "kn.threshold", "ku.gaussian_table"]
    assert "kumar-natale, " in lines[1] and (listed.returncode, listed.stderr) == (0, "")
    every = json.loads(here("check", "kn", "--list", "--json", "-").stdout)["claims"]
    assert len(every) > 40 and all(row["claim"].startswith("kn.") for row in every)


def test_every_measurement_of_a_verdict_is_shown_on_demand(here):
    content = json.loads(here("check", "ku.gaussian_pruning", "--power", "--json", "-").stdout)
    shown = here("check", "ku.gaussian_pruning", "--power", "--verbose").stdout.splitlines()
    measured = [m["name"] for row in content["claims"] for m in row["measurements"]]
    assert len(shown) == len(measured) + 2  # the header, and the sum below
    assert all(line.endswith(name) for line, name in zip(shown[1:-1], measured, strict=True))
    assert " printed 5.6 " in shown[1]  # what is stated stands beside what was measured


def test_check_one_claim_with_its_twins(here, tmp_path):
    done = here("check", "kn.threshold", "--power", "--json", tmp_path / "verdicts.json")
    assert done.returncode == 0, done.stderr
    assert "holds" in done.stdout
    assert "refuted" in done.stdout
    assert done.stderr == ""
    rows = json.loads((tmp_path / "verdicts.json").read_text())["claims"]
    assert rows[0]["claim"] == "kn.threshold"
    assert rows[0]["verdict"] == "holds"
    assert rows[0]["twin"] is None
    assert all(row["verdict"] == "refuted" for row in rows if row["twin"])
    assert {"expected", "interval", "tightness", "seed", "seconds", "measurements"} <= rows[0].keys()


def test_json_to_stdout_is_json_alone(here):
    done = here("check", "ku.gaussian_pruning", "--json", "-")
    assert json.loads(done.stdout)["claims"][0]["claim"] == "ku.gaussian_pruning"


def test_a_random_seed_is_logged(here):
    seeds = {
        json.loads(here("check", "ku.gaussian_pruning", "--seed", "random", "--json", "-").stdout)["claims"][
            0
        ]["seed"]
        for _ in "12"
    }
    assert len(seeds) == 2
