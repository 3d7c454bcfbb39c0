"""An RTSP camera made of GStreamer's own server, driven over standard input by gst-rtsp.ts.

Prints "port N" once it listens. Source "pictures" shows what standard input says:
a line "picture WIDTH HEIGHT" followed by WIDTH*HEIGHT*3 bytes of RGB, shown until the next one comes.
Ends when standard input closes. Runs with Debian's python3 and python3-gi.
"""

import argparse
import os
import signal
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

arguments = argparse.ArgumentParser()
arguments.add_argument("--port", default="0")
arguments.add_argument("--path", default="/stream")
arguments.add_argument("--codec", choices=["h264", "h265", "mjpeg", "vp8"], default="h264")
arguments.add_argument("--source", default="pattern", help="pattern, pictures, or file:PATH of an encoded mp4")
arguments.add_argument("--fps", type=int, default=25)
arguments.add_argument("--width", type=int, default=640)
arguments.add_argument("--height", type=int, default=480)
arguments.add_argument("--bitrate", type=int, default=4000, help="kbit/s")
arguments.add_argument("--gop", type=int, default=0, help="frames between key frames; 0 = one second")
arguments.add_argument("--colorimetry", default="bt601")
arguments.add_argument("--clock", choices=["right", "wrong"], default="right", help="as sender reports tell it")
arguments.add_argument("--cameras", type=int, default=1, help="more of them at PATH-2, PATH-3, …")
arguments.add_argument("--user")
arguments.add_argument("--password")
arguments.add_argument("--cert", help="PEM file; needs --key and --user")
arguments.add_argument("--key")
options = arguments.parse_args()

Gst.init(None)
gop = options.gop or options.fps
ENCODERS = {
    "h264": f"x264enc tune=zerolatency speed-preset=ultrafast sliced-threads=false threads=1"
    f" bitrate={options.bitrate} key-int-max={gop} ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": f"x265enc tune=zerolatency speed-preset=ultrafast log-level=none bitrate={options.bitrate}"
    f" key-int-max={gop} option-string=pools=1:frame-threads=1 ! h265parse"
    " ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "mjpeg": "jpegenc quality=92 ! rtpjpegpay name=pay0 pt=26",
    "vp8": "vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96",
}
RAW = f"videoconvert ! video/x-raw,format=I420,colorimetry={options.colorimetry} ! "
RATE = f"framerate={options.fps}/1"


def launch_line():
    if options.source.startswith("file:"):
        path = options.source[len("file:"):]
        return f"( filesrc location={path} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
    if options.source == "pictures":
        source = "appsrc name=pictures is-live=true format=time do-timestamp=true ! "
    else:
        size = f"width={options.width},height={options.height}"
        source = f"videotestsrc is-live=true pattern=ball ! video/x-raw,{size},{RATE} ! "
    return f"( {source}{RAW}{ENCODERS[options.codec]} )"


class Pictures:
    """The picture of the moment, pushed to every prepared media at the wanted rate."""

    def __init__(self):
        self.picture = (options.width, options.height, bytes([128]) * (options.width * options.height * 3))

    def read(self):
        while line := sys.stdin.buffer.readline():
            _, width, height = line.split()
            size = int(width) * int(height) * 3
            pixels = sys.stdin.buffer.read(size)
            if len(pixels) == size:
                # GStreamer wants rows padded to four bytes.
                row = int(width) * 3
                pad = bytes(-row % 4)
                if pad:
                    pixels = b"".join(pixels[at : at + row] + pad for at in range(0, size, row))
                self.picture = (int(width), int(height), pixels)
        os.kill(os.getpid(), signal.SIGKILL)

    def play(self, _factory, media):
        appsrc = media.get_element().get_by_name("pictures")
        if appsrc is None:
            return
        shown = None

        def push():
            nonlocal shown
            width, height, pixels = self.picture
            if (width, height) != shown:
                shown = (width, height)
                caps = f"video/x-raw,format=RGB,width={width},height={height},{RATE}"
                appsrc.set_property("caps", Gst.Caps.from_string(caps))
            return appsrc.emit("push-buffer", Gst.Buffer.new_wrapped(pixels)) == Gst.FlowReturn.OK

        push()
        GLib.timeout_add(1000 // options.fps, push)


class WrongClock(GstRtspServer.RTSPMedia):
    """Counts its sender reports from 1970 instead of 1900: seventy years off."""

    def do_setup_rtpbin(self, rtpbin):
        rtpbin.set_property("ntp-time-source", "unix")
        return True


pictures = Pictures()
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(options.port)


def camera(path):
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch_line())
    factory.set_shared(True)
    factory.set_latency(0)
    if options.clock == "wrong":
        factory.set_media_gtype(WrongClock)
    factory.connect("media-configure", pictures.play)
    if options.user:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(options.user, "media.factory.access", True)
        permissions.add_permission_for_role(options.user, "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)


if options.user:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", options.user)
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(options.user, options.password, token)
    if options.cert:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(options.cert, options.key))
    server.set_auth(auth)
for number in range(options.cameras):
    camera(options.path if number == 0 else f"{options.path}-{number + 1}")
server.attach(None)
print("port", server.get_bound_port(), flush=True)
threading.Thread(target=pictures.read, daemon=True).start()
GLib.MainLoop().run()
