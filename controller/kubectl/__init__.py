"""`kubectl pinnokio`: what a person sees of a PinnokioService, and says to its operator, from a terminal.

It runs on the machines of operators, where nothing of this project is installed: standard library and `contract` only.
All it reads is the custom resource; kubectl is how it reaches the cluster, so that every login works.
"""
