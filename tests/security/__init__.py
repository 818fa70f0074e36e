"""Programs that attack a running Run Manager, and a short form of each as a test.

Each prints what was tried and what got through, and exits 1 where a promise is broken:
``make security`` runs them all.
"""
