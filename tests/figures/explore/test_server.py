"""Who may reach the explorer when nobody has said otherwise."""

import inspect
import ipaddress


def test_this_machine_only_unless_told_otherwise():
    from snapcut.commands.explore import explore

    assert ipaddress.ip_address(inspect.signature(explore).parameters["host"].default).is_loopback
