"""One BLAS thread per test process, so that parallel tests do not fight over the cores."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile("caesura", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("caesura")
