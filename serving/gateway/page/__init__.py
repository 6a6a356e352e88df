"""The client page: a form made from the contract, in German and English, from one template and two static files."""
