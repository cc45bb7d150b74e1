"""Recording as one object of a training framework: `from traindoctor.integrations import LightningCallback`.

`LightningCallback`, `FabricCallback`, `TransformersCallback`, `AccelerateTracker`, `IgniteHandler`,
`SkorchCallback`, `FastaiCallback`, `ComposerCallback`. A framework is imported when its name is asked for.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from .collectors.integrations.public import integration

    return integration(name)


def __dir__() -> list[str]:
    from .collectors.integrations.public import OBJECTS

    return sorted(OBJECTS)
