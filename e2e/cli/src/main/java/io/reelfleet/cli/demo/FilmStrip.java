package io.reelfleet.cli.demo;

import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_unref;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_decoder;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_free_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_to_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_frame;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_packet;
import static org.bytedeco.ffmpeg.global.avformat.av_find_best_stream;
import static org.bytedeco.ffmpeg.global.avformat.av_read_frame;
import static org.bytedeco.ffmpeg.global.avformat.avformat_close_input;
import static org.bytedeco.ffmpeg.global.avformat.avformat_find_stream_info;
import static org.bytedeco.ffmpeg.global.avformat.avformat_open_input;
import static org.bytedeco.ffmpeg.global.avutil.AVMEDIA_TYPE_VIDEO;
import static org.bytedeco.ffmpeg.global.avutil.AV_LOG_ERROR;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_BGR24;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_log_set_level;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BICUBIC;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;

import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * A few frames of a video side by side, evenly spread over its length, and how many frames a
 * decoder gets out of it.
 *
 * @param framesDecoded all frames of the video, by decoding each
 * @param png the strip as a PNG file; empty for a video without frames
 */
record FilmStrip(long framesDecoded, byte[] png) {
    private static final int TALLEST = 96;

    /**
     * Decodes a file from its first frame to its last.
     *
     * @param frames how many the video holds
     * @param pictures how many of them to show
     */
    static FilmStrip of(Path mp4, long frames, int pictures) throws IOException {
        av_log_set_level(AV_LOG_ERROR);
        try (Decoder decoder = new Decoder(mp4)) {
            int shown = (int) Math.min(pictures, frames);
            BufferedImage strip = null;
            long n = 0;
            int at = 0;
            while (decoder.next()) {
                if (at < shown
                        && n
                                == (shown == 1
                                        ? 0
                                        : Math.round(at * (frames - 1) / (double) (shown - 1)))) {
                    BufferedImage picture = decoder.picture();
                    if (strip == null) {
                        strip =
                                new BufferedImage(
                                        picture.getWidth() * shown,
                                        picture.getHeight(),
                                        BufferedImage.TYPE_3BYTE_BGR);
                    }
                    strip.getRaster().setRect(at * picture.getWidth(), 0, picture.getRaster());
                    at++;
                }
                n++;
            }
            ByteArrayOutputStream png = new ByteArrayOutputStream();
            if (strip != null) {
                ImageIO.write(strip, "png", png);
            }
            return new FilmStrip(n, png.toByteArray());
        }
    }

    /** Owns FFmpeg's objects for one file. */
    private static final class Decoder implements AutoCloseable {
        private final AVFormatContext format = new AVFormatContext(null);
        private final AVPacket packet = av_packet_alloc();
        private final AVFrame frame = av_frame_alloc();
        private AVCodecContext codec;
        private int stream;
        private boolean drained;

        Decoder(Path file) throws IOException {
            boolean opened = false;
            try {
                check(
                        avformat_open_input(format, file.toString(), null, (AVDictionary) null),
                        "opened",
                        file);
                check(
                        avformat_find_stream_info(format, (PointerPointer<?>) null),
                        "understood",
                        file);
                stream = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, (AVCodec) null, 0);
                check(stream, "used: it has no video", file);
                AVCodec decoder =
                        avcodec_find_decoder(format.streams(stream).codecpar().codec_id());
                if (decoder == null) {
                    throw new IOException(file + " has a codec without decoder here");
                }
                codec = avcodec_alloc_context3(decoder);
                check(
                        avcodec_parameters_to_context(codec, format.streams(stream).codecpar()),
                        "decoded",
                        file);
                codec.thread_count(1);
                check(avcodec_open2(codec, decoder, (AVDictionary) null), "decoded", file);
                opened = true;
            } finally {
                if (!opened) {
                    close();
                }
            }
        }

        /** Decodes on; false after the last frame. */
        boolean next() throws IOException {
            while (true) {
                if (avcodec_receive_frame(codec, frame) == 0) {
                    return true;
                }
                if (drained) {
                    return false;
                }
                int read = av_read_frame(format, packet);
                if (read < 0) {
                    drained = true;
                    avcodec_send_packet(codec, null);
                    continue;
                }
                if (packet.stream_index() == stream && avcodec_send_packet(codec, packet) < 0) {
                    av_packet_unref(packet);
                    throw new IOException("a frame cannot be decoded");
                }
                av_packet_unref(packet);
            }
        }

        /** The frame, at most {@link #TALLEST} pixels high. */
        BufferedImage picture() throws IOException {
            int height = Math.min(TALLEST, frame.height());
            int width = Math.max(1, Math.round(frame.width() * (height / (float) frame.height())));
            BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
            byte[] pixels = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
            SwsContext scale =
                    sws_getContext(
                            frame.width(),
                            frame.height(),
                            frame.format(),
                            width,
                            height,
                            AV_PIX_FMT_BGR24,
                            SWS_BICUBIC,
                            null,
                            null,
                            (DoublePointer) null);
            if (scale == null) {
                throw new IOException("a frame's pixel format is not supported");
            }
            // Rows of a multiple of 32 bytes: what vector code writes beyond a row stays inside the
            // buffer.
            int row = (3 * width + 31) / 32 * 32;
            try (BytePointer bgr = new BytePointer((long) row * height + 64);
                    PointerPointer<BytePointer> planes = new PointerPointer<>(1);
                    IntPointer strides = new IntPointer(1)) {
                planes.put(0, bgr);
                strides.put(0, row);
                sws_scale(
                        scale, frame.data(), frame.linesize(), 0, frame.height(), planes, strides);
                for (int y = 0; y < height; y++) {
                    bgr.position((long) y * row).get(pixels, y * 3 * width, 3 * width);
                }
                bgr.position(0);
            } finally {
                sws_freeContext(scale);
            }
            return image;
        }

        private static void check(int answer, String what, Path file) throws IOException {
            if (answer < 0) {
                throw new IOException(file + " cannot be " + what);
            }
        }

        @Override
        public void close() {
            if (codec != null) {
                avcodec_free_context(codec);
            }
            av_frame_free(frame);
            av_packet_free(packet);
            avformat_close_input(format);
        }
    }
}
