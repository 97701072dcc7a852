"""Who there is and what things are called: workspaces, users, keys, sessions and display names."""
