"""The application: one image, CONTAINER_TYPE picks the part (api, worker, beat, flower)."""
