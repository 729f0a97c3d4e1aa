"""The process of one flow run: Prefect's own engine, in a process that ends when the worker ends."""

import os
import runpy

from tasks.runtime.child import die_with_parent

if __name__ == "__main__":
    die_with_parent(int(os.environ["TEXTMILL_WORKER"]))
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)
