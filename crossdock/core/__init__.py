"""The ground: vocabulary, contract, store. It knows no plugin, no job, no screen."""
