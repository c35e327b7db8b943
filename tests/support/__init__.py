"""What several folders of tests share: the module under test, peers, certificates, processes."""
