package io.reelfleet.server.media;

import static org.assertj.core.api.Assertions.assertThat;
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
import static org.bytedeco.ffmpeg.global.avformat.av_read_frame;
import static org.bytedeco.ffmpeg.global.avformat.avformat_close_input;
import static org.bytedeco.ffmpeg.global.avformat.avformat_find_stream_info;
import static org.bytedeco.ffmpeg.global.avformat.avformat_open_input;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.swscale.SWS_ACCURATE_RND;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BICUBIC;
import static org.bytedeco.ffmpeg.global.swscale.SWS_CS_ITU709;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getCoefficients;
import static org.bytedeco.ffmpeg.global.swscale.sws_getContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;
import static org.bytedeco.ffmpeg.global.swscale.sws_setColorspaceDetails;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerPointer;

/** Decodes what the encoder wrote, the way a player would. */
public final class Videos {
    private Videos() {}

    /** A decoded frame: when it is shown, and its RGB24 pixels. */
    public record Frame(double seconds, byte[] rgb) {}

    /** All frames of a file, as they come. */
    public static List<Frame> decode(Path file) {
        AVFormatContext input = new AVFormatContext(null);
        assertThat(avformat_open_input(input, file.toString(), null, null)).isZero();
        assertThat(avformat_find_stream_info(input, (AVDictionary) null)).isNotNegative();
        AVStream stream = input.streams(0);
        AVCodec decoder = avcodec_find_decoder(stream.codecpar().codec_id());
        AVCodecContext context = avcodec_alloc_context3(decoder);
        avcodec_parameters_to_context(context, stream.codecpar());
        context.thread_count(1);
        assertThat(avcodec_open2(context, decoder, (AVDictionary) null)).isZero();
        AVPacket packet = av_packet_alloc();
        AVFrame frame = av_frame_alloc();
        List<Frame> frames = new ArrayList<>();
        double tick = (double) stream.time_base().num() / stream.time_base().den();
        while (av_read_frame(input, packet) >= 0) {
            assertThat(avcodec_send_packet(context, packet)).isZero();
            receive(context, frame, tick, frames);
            av_packet_unref(packet);
        }
        avcodec_send_packet(context, null);
        receive(context, frame, tick, frames);
        av_frame_free(frame);
        av_packet_free(packet);
        avcodec_free_context(context);
        avformat_close_input(input);
        return frames;
    }

    private static void receive(
            AVCodecContext context, AVFrame frame, double tick, List<Frame> frames) {
        while (avcodec_receive_frame(context, frame) == 0) {
            frames.add(new Frame(frame.pts() * tick, rgb(frame)));
        }
    }

    private static byte[] rgb(AVFrame frame) {
        int width = frame.width();
        int height = frame.height();
        SwsContext scaler =
                sws_getContext(
                        width,
                        height,
                        frame.format(),
                        width,
                        height,
                        AV_PIX_FMT_RGB24,
                        SWS_BICUBIC | SWS_ACCURATE_RND,
                        null,
                        null,
                        (DoublePointer) null);
        IntPointer table = sws_getCoefficients(SWS_CS_ITU709);
        sws_setColorspaceDetails(scaler, table, 0, table, 1, 0, 1 << 16, 1 << 16);
        byte[] rgb = new byte[width * height * 3];
        try (BytePointer target = new BytePointer(rgb.length);
                PointerPointer<BytePointer> planes = new PointerPointer<>(1);
                IntPointer strides = new IntPointer(new int[] {width * 3})) {
            planes.put(0, target);
            sws_scale(scaler, frame.data(), frame.linesize(), 0, height, planes, strides);
            target.get(rgb);
        }
        sws_freeContext(scaler);
        return rgb;
    }
}
