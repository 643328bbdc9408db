"""The report's claims and figures are worked on together, and come out as each would by itself."""

import json

from figures import build
from paper_checks import registry
from snapcut.commands.report import report


def test_claims_and_figures_over_two_processes_are_those_of_one(tmp_path, monkeypatch):
    claims = registry.claims(["kn.golden", "zs.quantile_trap", "ku.gaussian_pruning"])
    alone = [one.as_dict() for one in registry.check(claims, power=True, sharpness=True, seed=3, processes=1)]
    figure = build.build("storage_break_even", seed=3)
    monkeypatch.setattr(registry, "claims", lambda names=(), paper=None: claims)
    monkeypatch.setattr(build, "names", lambda: ["fine_tuning_paper", "storage_break_even"])
    monkeypatch.setattr("paper_checks.report.weight_sheets", list)
    monkeypatch.setenv("SNAPCUT_THREADS", "2")
    assert report(seed="3", out=tmp_path, json=str(tmp_path / "v.json")) == 0
    found = json.loads((tmp_path / "v.json").read_text())
    for one in (*alone, *found["claims"]):
        del one["seconds"]
    assert found["claims"] == alone
    assert found["figures"] == ["fine_tuning_paper", "storage_break_even"]
    assert (tmp_path / "figures" / "storage_break_even.png").read_bytes() == figure.png
    assert (tmp_path / "index.html").read_text().count("data:image/png") == 2
