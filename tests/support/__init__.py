"""What the tests of several folders share: the module under test, peers, certificates, processes."""
