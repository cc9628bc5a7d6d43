"""Sweeps: a function mapped over tasks on any executor, so that nothing done is lost.

It knows no models: a task is plain data, a result is plain data, and the executor is any of
`concurrent.futures`.
"""

from lrinterp.sweep.executors import cores, dask_cluster, dask_workers, local_processes
from lrinterp.sweep.tasks import Executors, Task, read_result, result_file, run_tasks

__all__ = [
    "Executors",
    "Task",
    "cores",
    "dask_cluster",
    "dask_workers",
    "local_processes",
    "read_result",
    "result_file",
    "run_tasks",
]
