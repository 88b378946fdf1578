"""The recipe of the shipped classifier: from FER2013's folders to one .onnx file and its card."""
