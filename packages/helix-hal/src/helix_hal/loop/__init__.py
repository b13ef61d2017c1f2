"""Kernel backends: everything that a device needs besides memory and a compiler."""
