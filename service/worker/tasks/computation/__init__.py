"""Types that compute."""
