"""What programs and the page ask: predictions, what decided, the classifier, Live."""
