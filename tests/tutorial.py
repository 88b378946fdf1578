"""The code of the widely copied "happy or sad" tutorials, for a process without happysad.

``python tests/tutorial.py DATA PHOTO OURS OUT`` trains the tutorials' network on the folder DATA,
and saves it in OUT. It predicts PHOTO with this network and with those in OURS. For a network x.h5
with other inputs, x.npz has the inputs. OUT/answers.json gets the answers by the files' names.
"""

# ruff: noqa: E402, PTH110, PTH118, PTH122, PTH208

import json
import os
import sys
from typing import Any

sys.modules["happysad"] = None  # type: ignore[assignment]  # nothing can import it
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import cv2
import numpy as np
import tensorflow as tf
from tensorflow.keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from tensorflow.keras.models import Sequential, load_model

tf.config.run_functions_eagerly(True)  # graphs take longer to build than two batches to learn


def train(folder: str, out: str) -> None:
    tf.random.set_seed(0)
    data = tf.keras.utils.image_dataset_from_directory(folder, batch_size=4, verbose=False)
    data = data.map(lambda x, y: (x / 255, y))
    model = Sequential()
    model.add(Conv2D(16, (3, 3), 1, activation="relu", input_shape=(256, 256, 3)))
    model.add(MaxPooling2D())
    model.add(Conv2D(32, (3, 3), 1, activation="relu"))
    model.add(MaxPooling2D())
    model.add(Conv2D(16, (3, 3), 1, activation="relu"))
    model.add(MaxPooling2D())
    model.add(Flatten())
    model.add(Dense(256, activation="relu"))
    model.add(Dense(1, activation="sigmoid"))
    model.compile("adam", loss=tf.losses.BinaryCrossentropy(), metrics=["accuracy"])
    model.fit(data, epochs=1, verbose=0)
    model.save(os.path.join(out, "imageclassifier.h5"))


def predict(file: str, photo: str) -> Any:
    new_model = load_model(file)
    inputs = f"{os.path.splitext(file)[0]}.npz"
    if os.path.exists(inputs):
        yhat = new_model.predict(dict(np.load(inputs)), verbose=0)
        return {name: values.tolist() for name, values in yhat.items()}
    img = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
    resize = tf.image.resize(img, new_model.input_shape[1:3])
    yhat = new_model.predict(np.expand_dims(resize / 255, 0), verbose=0)
    return yhat.tolist()


data, photo, ours, out = sys.argv[1:]
train(data, out)
answers = {}
for folder in (ours, out):
    for name in sorted(os.listdir(folder)):
        if name.endswith((".h5", ".keras")):
            answers[name] = predict(os.path.join(folder, name), photo)
with open(os.path.join(out, "answers.json"), "w") as file:
    json.dump(answers, file)
