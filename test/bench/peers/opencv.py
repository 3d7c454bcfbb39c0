"""The script that people write: OpenCV reads the camera, its DNN module runs the network, numpy the head, paho publishes.

Judges every frame, one after the other, until it is ended. With --pictures instead of --url it prints the label of each
picture of a folder and ends. Runs with Debian's python3, python3-opencv and python3-paho-mqtt.
"""

import argparse
import json
import os
import pathlib

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
import cv2  # noqa: E402
import numpy as np  # noqa: E402

arguments = argparse.ArgumentParser()
arguments.add_argument("--model", required=True, help="the base: normalised picture in, features out")
arguments.add_argument("--head", required=True, help="JSON: labels, weights, bias, mean, std, width, height")
arguments.add_argument("--url")
arguments.add_argument("--port", type=int, help="of the broker on 127.0.0.1")
arguments.add_argument("--topic")
arguments.add_argument("--pictures")
options = arguments.parse_args()

head = json.loads(pathlib.Path(options.head).read_text())
weights = np.array(head["weights"], np.float32).reshape(len(head["labels"]), -1)
bias = np.array(head["bias"], np.float32)
mean = np.array(head["mean"], np.float32)
std = np.array(head["std"], np.float32)
net = cv2.dnn.readNetFromONNX(options.model)


def judge(frame):
    small = cv2.resize(frame, (head["width"], head["height"]), interpolation=cv2.INTER_AREA)
    rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    net.setInput(((rgb - mean) / std).transpose(2, 0, 1)[np.newaxis])
    features = net.forward().ravel()
    scores = weights @ features + bias
    odds = np.exp(scores - scores.max())
    probabilities = odds / odds.sum()
    best = int(probabilities.argmax())
    return head["labels"][best], float(probabilities[best])


if options.pictures:
    for path in sorted(pathlib.Path(options.pictures).iterdir()):
        print(judge(cv2.imread(str(path)))[0], flush=True)
else:
    import paho.mqtt.client as mqtt

    client = mqtt.Client()
    client.connect("127.0.0.1", options.port)
    client.loop_start()
    capture = cv2.VideoCapture(options.url, cv2.CAP_FFMPEG)
    while True:
        there, frame = capture.read()
        if not there:
            raise SystemExit("the camera is gone")
        label, probability = judge(frame)
        client.publish(options.topic, json.dumps({"label": label, "probability": probability}), qos=1)
