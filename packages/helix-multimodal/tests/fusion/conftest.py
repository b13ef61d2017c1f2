from importlib.util import find_spec

# the extra "fusion" brings helix-layers; without it this folder has nothing to test
collect_ignore_glob = [] if find_spec("helix_layers") else ["test_*.py"]
