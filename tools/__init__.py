"""What the sessions of noxfile.py run: one file a task, each with tests in tests/tools."""
