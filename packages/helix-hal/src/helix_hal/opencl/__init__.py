"""The ``opencl`` backend: devices ``opencl:0``, ... of any vendor's driver."""
