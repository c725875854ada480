package io.reelfleet.server.media;

import static org.bytedeco.ffmpeg.avformat.AVFormatContext.AVFMT_AVOID_NEG_TS_DISABLED;
import static org.bytedeco.ffmpeg.avformat.AVFormatContext.AVFMT_FLAG_BITEXACT;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_FLAG_BITEXACT;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_FLAG_GLOBAL_HEADER;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_rescale_ts;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_unref;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_encoder_by_name;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_free_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_from_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_packet;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_frame;
import static org.bytedeco.ffmpeg.global.avformat.av_write_frame;
import static org.bytedeco.ffmpeg.global.avformat.avformat_alloc_output_context2;
import static org.bytedeco.ffmpeg.global.avformat.avformat_free_context;
import static org.bytedeco.ffmpeg.global.avformat.avformat_new_stream;
import static org.bytedeco.ffmpeg.global.avformat.avformat_write_header;
import static org.bytedeco.ffmpeg.global.avformat.avio_close_dyn_buf;
import static org.bytedeco.ffmpeg.global.avformat.avio_flush;
import static org.bytedeco.ffmpeg.global.avformat.avio_open_dyn_buf;
import static org.bytedeco.ffmpeg.global.avformat.avio_tell;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_PRI_BT709;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_RANGE_MPEG;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_SPC_BT709;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_TRC_BT709;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EAGAIN;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EOF;
import static org.bytedeco.ffmpeg.global.avutil.AV_LOG_FATAL;
import static org.bytedeco.ffmpeg.global.avutil.AV_PICTURE_TYPE_I;
import static org.bytedeco.ffmpeg.global.avutil.AV_PICTURE_TYPE_NONE;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_YUV420P;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_free;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_set;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_get_buffer;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_make_writable;
import static org.bytedeco.ffmpeg.global.avutil.av_free;
import static org.bytedeco.ffmpeg.global.avutil.av_log_set_level;
import static org.bytedeco.ffmpeg.global.avutil.av_strerror;
import static org.bytedeco.ffmpeg.global.swscale.SWS_ACCURATE_RND;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BICUBIC;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BITEXACT;
import static org.bytedeco.ffmpeg.global.swscale.SWS_CS_ITU709;
import static org.bytedeco.ffmpeg.global.swscale.SWS_FULL_CHR_H_INP;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getCoefficients;
import static org.bytedeco.ffmpeg.global.swscale.sws_getContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;
import static org.bytedeco.ffmpeg.global.swscale.sws_setColorspaceDetails;

import java.util.HexFormat;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVIOContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.avutil.AVRational;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * Encodes a chunk's frames, H.264 by OpenH264, into a fragment of its own.
 *
 * <p>Every chunk gets a fresh encoder and muxer, so that nothing of them is part of a session's
 * state: any worker produces the next fragment from frames and numbers alone, and the same frames
 * always give the same bytes. Instances hold no native memory between calls and are safe for use by
 * many threads.
 */
public final class SegmentEncoder {
    private static final String ENCODER = "libopenh264";

    /**
     * Track ticks per frame: room for any player's arithmetic, exact for every whole frame rate.
     */
    private static final int TICKS = 1000;

    /**
     * Of 0 to 51, less is better: 16 keeps edges clean at 64x64 for about 2 kB per chunk. The
     * others are for noise, as an untrained model gives: OpenH264 has room for a frame's raw bytes
     * and fails with a frame that takes more.
     */
    private static final int[] QUANTIZERS = {16, 26, 36, 46};

    static {
        // What fails is thrown, or tried again.
        av_log_set_level(AV_LOG_FATAL);
    }

    private final int width;
    private final int height;
    private final int fps;

    /**
     * @param width in pixels, even
     * @param height in pixels, even
     * @param fps frames per second
     */
    public SegmentEncoder(int width, int height, int fps) {
        if (width % 2 != 0 || height % 2 != 0 || width < 16 || height < 16 || fps < 1) {
            throw new IllegalArgumentException(
                    "H.264 takes frames of even size from 16x16 on, not %dx%d at %d frames/s"
                            .formatted(width, height, fps));
        }
        this.width = width;
        this.height = height;
        this.fps = fps;
    }

    /**
     * Encodes one chunk.
     *
     * @param chunk its number, from 0; the fragment's sequence number is one more
     * @param firstFrame number in the session of its first frame; base decode time is firstFrame /
     *     fps
     * @param rgb RGB24, row after row, frame after frame
     * @param frames how many
     */
    public EncodedSegment encode(long chunk, long firstFrame, byte[] rgb, int frames) {
        if (rgb.length != (long) frames * width * height * 3 || frames < 1) {
            throw new IllegalArgumentException(
                    "%d bytes are not %d frames of %dx%d RGB"
                            .formatted(rgb.length, frames, width, height));
        }
        for (int i = 0; ; i++) {
            try (Encoding encoding = new Encoding(chunk, QUANTIZERS[i])) {
                return encoding.run(firstFrame, rgb, frames);
            } catch (FrameTooLargeException e) {
                if (i == QUANTIZERS.length - 1) {
                    throw new IllegalStateException(e.getMessage(), e);
                }
            }
        }
    }

    /** The encoder has no room for a frame at this quantizer. */
    private static final class FrameTooLargeException extends Exception {
        private static final long serialVersionUID = 1;

        FrameTooLargeException(String message) {
            super(message);
        }
    }

    /** The native objects of one call. */
    private final class Encoding implements AutoCloseable {
        private final AVCodecContext codec;
        private final AVFormatContext muxer = new AVFormatContext(null);
        private final AVIOContext output = new AVIOContext(null);
        private final AVPacket packet = av_packet_alloc();
        private final AVFrame frame = av_frame_alloc();
        private final SwsContext scaler;
        private final AVStream stream;
        private final long initBytes;

        Encoding(long chunk, int quantizer) {
            AVCodec encoder = avcodec_find_encoder_by_name(ENCODER);
            if (encoder == null || encoder.isNull()) {
                throw new IllegalStateException("this FFmpeg build has no encoder " + ENCODER);
            }
            codec = avcodec_alloc_context3(encoder);
            openCodec(encoder, quantizer);
            scaler = scaler();
            frame.format(AV_PIX_FMT_YUV420P).width(width).height(height);
            check(av_frame_get_buffer(frame, 0), "allocate a frame");

            check(avformat_alloc_output_context2(muxer, null, "mp4", null), "make a muxer");
            check(avio_open_dyn_buf(output), "allocate a buffer");
            muxer.pb(output);
            muxer.flags(muxer.flags() | AVFMT_FLAG_BITEXACT);
            // Times are the session's; without edit lists the muxer would move them to zero.
            muxer.avoid_negative_ts(AVFMT_AVOID_NEG_TS_DISABLED);
            stream = avformat_new_stream(muxer, null);
            check(avcodec_parameters_from_context(stream.codecpar(), codec), "describe the stream");
            stream.time_base().num(1).den(fps * TICKS);
            stream.avg_frame_rate().num(fps).den(1);
            AVDictionary options = new AVDictionary(null);
            try {
                // One fragment, flushed by hand; its decode time and number come from the session
                // and not from this muxer.
                set(
                        options,
                        "movflags",
                        "frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer");
                set(options, "fragment_index", Long.toString(chunk + 1));
                set(options, "use_editlist", "0");
                set(options, "video_track_timescale", Integer.toString(fps * TICKS));
                check(avformat_write_header(muxer, options), "write the header");
            } finally {
                av_dict_free(options);
            }
            avio_flush(output);
            initBytes = avio_tell(output);
        }

        private void openCodec(AVCodec encoder, int quantizer) {
            codec.width(width).height(height).pix_fmt(AV_PIX_FMT_YUV420P);
            codec.time_base(ratio(1, fps)).framerate(ratio(fps, 1));
            codec.gop_size(1 << 20).max_b_frames(0).thread_count(1);
            codec.flags(codec.flags() | AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT);
            codec.colorspace(AVCOL_SPC_BT709).color_primaries(AVCOL_PRI_BT709);
            codec.color_trc(AVCOL_TRC_BT709).color_range(AVCOL_RANGE_MPEG);
            // Small frames have few bits to lose: the quality is held, whatever rate it takes.
            codec.qmin(quantizer).qmax(quantizer);
            codec.bit_rate(20L * width * height * fps);
            AVDictionary options = new AVDictionary(null);
            try {
                set(options, "rc_mode", "quality");
                set(options, "allow_skip_frames", "0");
                set(options, "profile", "constrained_baseline");
                check(avcodec_open2(codec, encoder, options), "open the encoder " + ENCODER);
            } finally {
                av_dict_free(options);
            }
        }

        private SwsContext scaler() {
            SwsContext context =
                    sws_getContext(
                            width,
                            height,
                            AV_PIX_FMT_RGB24,
                            width,
                            height,
                            AV_PIX_FMT_YUV420P,
                            SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INP,
                            null,
                            null,
                            (DoublePointer) null);
            IntPointer table = sws_getCoefficients(SWS_CS_ITU709);
            sws_setColorspaceDetails(context, table, 1, table, 0, 0, 1 << 16, 1 << 16);
            return context;
        }

        EncodedSegment run(long firstFrame, byte[] rgb, int frames) throws FrameTooLargeException {
            int frameBytes = width * height * 3;
            try (BytePointer source = new BytePointer(rgb);
                    PointerPointer<BytePointer> planes = new PointerPointer<>(1);
                    IntPointer strides = new IntPointer(new int[] {width * 3})) {
                for (int i = 0; i < frames; i++) {
                    check(av_frame_make_writable(frame), "write to a frame");
                    planes.put(0, source.getPointer((long) i * frameBytes));
                    check(
                            sws_scale(
                                    scaler,
                                    planes,
                                    strides,
                                    0,
                                    height,
                                    frame.data(),
                                    frame.linesize()),
                            "convert a frame");
                    frame.pts(firstFrame + i);
                    frame.pict_type(i == 0 ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE);
                    encoded(avcodec_send_frame(codec, frame));
                    receive();
                }
                check(avcodec_send_frame(codec, null), "finish encoding");
                receive();
            }
            check(av_write_frame(muxer, null), "write the fragment");
            byte[] all = takeOutput();
            byte[] init = new byte[(int) initBytes];
            System.arraycopy(all, 0, init, 0, init.length);
            byte[] fragment = new byte[all.length - init.length];
            System.arraycopy(all, init.length, fragment, 0, fragment.length);
            return new EncodedSegment(codecName(), init, fragment);
        }

        private void receive() throws FrameTooLargeException {
            while (true) {
                int result = avcodec_receive_packet(codec, packet);
                if (result == AVERROR_EAGAIN() || result == AVERROR_EOF) {
                    return;
                }
                encoded(result);
                packet.stream_index(0);
                packet.duration(1);
                av_packet_rescale_ts(packet, codec.time_base(), stream.time_base());
                check(av_write_frame(muxer, packet), "write a frame");
                av_packet_unref(packet);
            }
        }

        private byte[] takeOutput() {
            BytePointer buffer = new BytePointer((Pointer) null);
            int size = avio_close_dyn_buf(output, buffer);
            muxer.pb(null);
            output.setNull();
            try {
                byte[] bytes = new byte[size];
                buffer.capacity(size).get(bytes);
                return bytes;
            } finally {
                av_free(buffer);
            }
        }

        /** avc1.PPCCLL from the sequence parameter set: profile, constraints, level. */
        private String codecName() {
            byte[] extra = new byte[codec.extradata_size()];
            codec.extradata().get(extra);
            for (int i = 0; i + 6 < extra.length; i++) {
                boolean startCode = extra[i] == 0 && extra[i + 1] == 0 && extra[i + 2] == 1;
                if (startCode && (extra[i + 3] & 0x1f) == 7) {
                    return "avc1." + HexFormat.of().formatHex(extra, i + 4, i + 7);
                }
            }
            throw new IllegalStateException("the encoder gave no sequence parameter set");
        }

        @Override
        public void close() {
            if (!output.isNull()) {
                takeOutput();
            }
            avformat_free_context(muxer);
            avcodec_free_context(codec);
            av_frame_free(frame);
            av_packet_free(packet);
            sws_freeContext(scaler);
        }
    }

    private static AVRational ratio(int num, int den) {
        return new AVRational().num(num).den(den);
    }

    private static void set(AVDictionary options, String name, String value) {
        check(av_dict_set(options, name, value, 0), "set " + name);
    }

    private static void encoded(int result) throws FrameTooLargeException {
        try {
            check(result, "encode a frame");
        } catch (IllegalStateException e) {
            throw new FrameTooLargeException(e.getMessage());
        }
    }

    private static void check(int result, String what) {
        if (result < 0) {
            byte[] text = new byte[256];
            av_strerror(result, text, text.length);
            String reason = new String(text).split("\0", 2)[0];
            throw new IllegalStateException("FFmpeg could not " + what + ": " + reason);
        }
    }
}
