"""Pages, fragments and WebSockets for the browser, on the same services as the API."""
