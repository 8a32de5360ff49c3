"""What a damaged ROOT file teaches uproot is forgotten."""

import uproot

from phys_gan.data.containers.opening import forget_classes, remember_classes


def test_what_was_learned_is_forgotten():
    remember_classes()
    branch = uproot.classes["TBranch"]
    before = dict(branch.known_versions)
    branch.known_versions[13] = object
    branch.known_versions[99] = object
    uproot.classes["Nonsense"] = object
    forget_classes()
    assert uproot.classes["TBranch"].known_versions == before
    assert "Nonsense" not in uproot.classes
