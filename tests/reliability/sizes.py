"""How large the tests are: small at every push, large with TRAINDOCTOR_NIGHTLY=1 (`make nightly`)."""

import os

IS_NIGHTLY = os.environ.get("TRAINDOCTOR_NIGHTLY", "") == "1"


def size(push, nightly):
    """The first number at every push, the second at night."""
    return nightly if IS_NIGHTLY else push
