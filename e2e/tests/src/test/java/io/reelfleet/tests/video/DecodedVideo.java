package io.reelfleet.tests.video;

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
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;

import java.nio.file.Path;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;

/**
 * What a decoder makes of a file.
 *
 * @param frames that came out
 * @param seconds from the first frame's time to the end of the last one
 */
public record DecodedVideo(int frames, double seconds) {

    /** Decodes a file from its first frame to its last. */
    public static DecodedVideo of(Path file) {
        AVFormatContext input = new AVFormatContext(null);
        if (avformat_open_input(input, file.toString(), null, null) != 0
                || avformat_find_stream_info(input, (AVDictionary) null) < 0) {
            throw new AssertionError(file + " is no video");
        }
        AVStream stream = input.streams(0);
        AVCodec decoder = avcodec_find_decoder(stream.codecpar().codec_id());
        AVCodecContext context = avcodec_alloc_context3(decoder);
        avcodec_parameters_to_context(context, stream.codecpar());
        context.thread_count(1);
        AVPacket packet = av_packet_alloc();
        AVFrame frame = av_frame_alloc();
        try {
            if (avcodec_open2(context, decoder, (AVDictionary) null) != 0) {
                throw new AssertionError("no decoder for " + file);
            }
            double tick = (double) stream.time_base().num() / stream.time_base().den();
            double first = Double.NaN;
            double last = 0;
            int frames = 0;
            boolean more = true;
            while (more) {
                more = av_read_frame(input, packet) >= 0;
                if (avcodec_send_packet(context, more ? packet : null) != 0) {
                    throw new AssertionError(file + " does not decode after frame " + frames);
                }
                while (avcodec_receive_frame(context, frame) == 0) {
                    double at = frame.pts() * tick;
                    first = Double.isNaN(first) ? at : first;
                    last = at;
                    frames++;
                }
                av_packet_unref(packet);
            }
            double step = frames > 1 ? (last - first) / (frames - 1) : 0;
            return new DecodedVideo(frames, last - first + step);
        } finally {
            av_frame_free(frame);
            av_packet_free(packet);
            avcodec_free_context(context);
            avformat_close_input(input);
        }
    }
}
