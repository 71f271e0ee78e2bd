"""The plugins that come with crossdock: one module or package per outside system, loaded by its entry point's name."""
