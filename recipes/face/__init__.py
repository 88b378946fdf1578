"""The recipe of the classifier that ships: from FER2013's folders to one .onnx and its card."""
