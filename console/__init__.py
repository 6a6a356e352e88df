"""What people touch: the command line, the pages, the reports, and the platform that runs them."""
