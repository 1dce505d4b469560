"""The web page for reviewers: server-rendered, no foreign hosts, nothing shown that is not escaped."""
