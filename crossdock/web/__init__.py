"""`crossdock serve`: offers files behind links, and the scheduler, in one process. It needs the extra `serve`."""
