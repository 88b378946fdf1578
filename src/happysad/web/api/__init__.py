"""The interface for programs and the page: predictions, heat maps, the classifier, Live."""
