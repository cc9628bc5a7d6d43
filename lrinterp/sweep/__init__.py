"""Sweeps: a function mapped over tasks on any executor, so that nothing done is lost.

It knows no models: a task is plain data, a result is plain data, and the executor is any of
`concurrent.futures`.
"""

from lrinterp.sweep.executors import cores, dask_cluster, local_processes
from lrinterp.sweep.tasks import Task, read_result, run_tasks

__all__ = ["Task", "cores", "dask_cluster", "local_processes", "read_result", "run_tasks"]
