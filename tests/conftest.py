"""Settings of every test: hypothesis draws the same examples each time, and no example is too slow to count."""

from hypothesis import HealthCheck, settings

settings.register_profile("ranvier", derandomize=True, deadline=None, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ranvier")
