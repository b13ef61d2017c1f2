from importlib.util import find_spec

# the extra "study" brings helix-layers and scikit-learn
found = find_spec("helix_layers") and find_spec("sklearn")
collect_ignore_glob = [] if found else ["test_*.py"]
