"""Models outside of training: export, the folder that is handed on, and what runs it."""
