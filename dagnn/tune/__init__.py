"""Search for hyper-parameters without target labels: Optuna around :mod:`dagnn.run`.

A study is a YAML file in ``tuning/``. It names an experiment, the keys to search
with their ranges, a sampler, a pruner and a budget; nothing in it can name a
target label. From Python:

    from dagnn import tune
    tune.tune("spectra", data=Path("../shared/camels"), out=Path("studies/spectra"))
    tune.best(Path("studies/spectra"), out=Path("best.yaml"))
"""

from dagnn.tune.report import best, show
from dagnn.tune.search import StudyResult, tune
from dagnn.tune.study import Study, read_study

__all__ = ["Study", "StudyResult", "best", "read_study", "show", "tune"]
