"""Starting the driver in the process of the script, as the environment asks for."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from .driver import Driver
from .orders import VARIABLE, read_orders


def install_from_environment() -> None:
    """Drive this process as the environment asks for, if it does. The recorder must be installed before.

    Raises:
        UsageError: the orders cannot be read.
    """
    path = os.environ.get(VARIABLE, "")
    if not path:
        return
    is_direct_child = os.environ.get("TRAINDOCTOR_PARENT") == str(os.getppid())
    driver = Driver(read_orders(Path(path)), Path(path).parent, ends_with_parent=is_direct_child)
    if not driver.orders.drives_optimizer:
        return
    driver.install()
    atexit.register(driver.finish)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=driver.in_child)
