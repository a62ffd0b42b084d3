/* A camera at /dev/video90 for programs that are started with this in LD_PRELOAD: the part of the kernel's V4L2 that
 * FFmpeg's device input and the robot use. It is controlled by files in the folder V4L2_KERNEL:
 *
 *   frames.FOURCC  its pictures in that format, each after its length (32 bits, little endian), in a loop at 30 a second
 *   stalled        while it exists, no picture comes
 *   gone           while it exists, the camera is unplugged
 *   busy           while it exists, another program uses the camera
 *   streaming      written by it: exists while it captures
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DEVICE "/dev/video90"
#define BUFFERS 4
#define BUFFER_SIZE (1 << 20)
#define WIDTH 640
#define HEIGHT 360
#define FILES 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char is_ours[FILES], nonblocking[FILES];
static void *memory[BUFFERS];
static int queue[BUFFERS], queued, streaming_fd = -1;
static uint32_t fourcc = V4L2_PIX_FMT_MJPEG;
static unsigned char *frames;
static size_t frames_size, frames_at;
static double due;

static const uint32_t formats[] = {V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_H264};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void path_of(char *path, const char *name) { snprintf(path, 4096, "%s/%s", getenv("V4L2_KERNEL"), name); }

static int there(const char *name) {
    char path[4096];
    path_of(path, name);
    return access(path, F_OK) == 0;
}

static int fail(int number) {
    errno = number;
    return -1;
}

static int open_real(const char *path, int flags, int mode) {
    static int (*real)(const char *, int, ...);
    if (!real) real = dlsym(RTLD_NEXT, "open64");
    if (strcmp(path, DEVICE)) return real(path, flags, mode);
    if (there("gone")) return fail(ENOENT);
    int fd = memfd_create("camera", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd < 0 || fd >= FILES) abort();
    is_ours[fd] = 1;
    nonblocking[fd] = (flags & O_NONBLOCK) != 0;
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    int mode = va_arg(arguments, int);
    va_end(arguments);
    return open_real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    int mode = va_arg(arguments, int);
    va_end(arguments);
    return open_real(path, flags, mode);
}

static void stop(void) {
    char path[4096];
    path_of(path, "streaming");
    unlink(path);
    free(frames);
    frames = NULL;
    streaming_fd = -1;
    queued = 0;
}

int close(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < FILES && is_ours[fd]) {
        is_ours[fd] = 0;
        if (fd == streaming_fd) stop();
    }
    return real(fd);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
    static void *(*real)(void *, size_t, int, int, int, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "mmap64");
    if (fd < 0 || fd >= FILES || !is_ours[fd]) return real(address, length, protection, flags, fd, offset);
    void *made = real(NULL, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory[offset / BUFFER_SIZE] = made;
    return made;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap64(address, length, protection, flags, fd, offset);
}

static int start(int fd) {
    char name[32], path[4096];
    snprintf(name, sizeof name, "frames.%.4s", (char *)&fourcc);
    path_of(path, name);
    FILE *file = fopen(path, "rb");
    if (!file) return fail(EIO);
    fseek(file, 0, SEEK_END);
    frames_size = ftell(file);
    rewind(file);
    frames = malloc(frames_size);
    if (fread(frames, 1, frames_size, file) != frames_size) abort();
    fclose(file);
    frames_at = 0;
    due = now();
    streaming_fd = fd;
    path_of(path, "streaming");
    fclose(fopen(path, "w"));
    return 0;
}

static int dequeue(int fd, struct v4l2_buffer *buffer) {
    for (;;) {
        if (there("gone")) return fail(ENODEV);
        if (!there("stalled") && queued && now() >= due) break;
        if (nonblocking[fd]) return fail(EAGAIN);
        pthread_mutex_unlock(&lock);
        usleep(2000);
        pthread_mutex_lock(&lock);
    }
    uint32_t length;
    memcpy(&length, frames + frames_at, 4);
    int index = queue[0];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    memcpy(memory[index], frames + frames_at + 4, length);
    frames_at = (frames_at + 4 + length) % frames_size;
    memset(buffer, 0, sizeof *buffer);
    buffer->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer->memory = V4L2_MEMORY_MMAP;
    buffer->index = index;
    buffer->bytesused = length;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    double taken = due;
    buffer->timestamp.tv_sec = (time_t)taken;
    buffer->timestamp.tv_usec = (suseconds_t)((taken - (time_t)taken) * 1e6);
    due += 1 / 30.0;
    if (due < now() - 1) due = now();
    return 0;
}

static int answer(int fd, unsigned long request, void *argument) {
    if (there("gone")) return fail(ENODEV);
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *it = argument;
        memset(it, 0, sizeof *it);
        strcpy((char *)it->driver, "uvcvideo");
        strcpy((char *)it->card, "Camera of a test");
        strcpy((char *)it->bus_info, "usb-0000:00:14.0-3");
        it->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        it->capabilities = it->device_caps | V4L2_CAP_META_CAPTURE | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *it = argument;
        if (it->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || it->index >= 3) return fail(EINVAL);
        it->pixelformat = formats[it->index];
        return 0;
    }
    case VIDIOC_ENUM_FRAMESIZES: {
        struct v4l2_frmsizeenum *it = argument;
        if (it->index) return fail(EINVAL);
        it->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        it->discrete.width = WIDTH;
        it->discrete.height = HEIGHT;
        return 0;
    }
    case VIDIOC_ENUM_FRAMEINTERVALS: {
        struct v4l2_frmivalenum *it = argument;
        if (it->index) return fail(EINVAL);
        it->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        it->discrete.numerator = 1;
        it->discrete.denominator = 30;
        return 0;
    }
    case VIDIOC_G_INPUT:
        *(int *)argument = 0;
        return 0;
    case VIDIOC_ENUMINPUT: {
        struct v4l2_input *it = argument;
        if (it->index) return fail(EINVAL);
        memset(it, 0, sizeof *it);
        it->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    }
    case VIDIOC_S_FMT:
        if (there("busy")) return fail(EBUSY);
        fourcc = ((struct v4l2_format *)argument)->fmt.pix.pixelformat; /* and as VIDIOC_G_FMT */
    case VIDIOC_G_FMT: {
        struct v4l2_format *it = argument;
        it->fmt.pix = (struct v4l2_pix_format){.width = WIDTH, .height = HEIGHT, .pixelformat = fourcc,
            .field = V4L2_FIELD_NONE, .bytesperline = WIDTH * 2, .sizeimage = WIDTH * HEIGHT * 2};
        return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_streamparm *it = argument;
        it->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        it->parm.capture.timeperframe = (struct v4l2_fract){1, 30};
        return 0;
    }
    case VIDIOC_REQBUFS:
        ((struct v4l2_requestbuffers *)argument)->count = BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *it = argument;
        it->length = BUFFER_SIZE;
        it->m.offset = it->index * BUFFER_SIZE;
        return 0;
    }
    case VIDIOC_QBUF:
        queue[queued++] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(fd, argument);
    case VIDIOC_STREAMON:
        return start(fd);
    case VIDIOC_STREAMOFF:
        stop();
        return 0;
    }
    return fail(ENOTTY);
}

int ioctl(int fd, unsigned long request, ...) {
    static int (*real)(int, unsigned long, ...);
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (!real) real = dlsym(RTLD_NEXT, "ioctl");
    if (fd < 0 || fd >= FILES || !is_ours[fd]) return real(fd, request, argument);
    pthread_mutex_lock(&lock);
    int result = answer(fd, (unsigned int)request, argument);
    int number = errno;
    pthread_mutex_unlock(&lock);
    errno = number;
    return result;
}
