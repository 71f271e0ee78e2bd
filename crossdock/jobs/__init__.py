"""What runs do, one module per job, and what a job is handed."""
