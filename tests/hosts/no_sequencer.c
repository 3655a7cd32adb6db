/* Stands in for the kernel's MIDI sequencer where there is none, as in a container: a sequencer without any client but
   the caller, whose ports are connected to nothing. Preloaded into Qtractor, which does not start without one. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

static int sequencer, ports;

int snd_seq_open(void **handle, const char *name, int streams, int mode) {
    (void)streams, (void)mode;
    *handle = 0;
    /* The second, of the hardware's own name, only tells of other clients. */
    if (strcmp(name, "default") != 0)
        return -ENOENT;
    *handle = &sequencer;
    return 0;
}

int snd_seq_poll_descriptors(void *seq, struct pollfd *found, unsigned int space, short events) {
    static int never;
    (void)seq;
    if (space == 0)
        return 0;
    if (never == 0)
        never = eventfd(0, 0);
    found->fd = never, found->events = events, found->revents = 0;
    return 1;
}

int snd_seq_client_id(void) { return 128; }
int snd_seq_create_simple_port(void) { return ports++; }
int snd_seq_poll_descriptors_count(void) { return 1; }
int snd_seq_event_input(void *seq, void **event) { (void)seq; *event = 0; return -EAGAIN; }

#define NOTHING(name) int name(void) { return -ENOENT; }
NOTHING(snd_seq_get_any_client_info)
NOTHING(snd_seq_get_any_port_info)
NOTHING(snd_seq_query_next_client)
NOTHING(snd_seq_query_next_port)
NOTHING(snd_seq_query_port_subscribers)

#define DONE(name) int name(void) { return 0; }
DONE(snd_seq_close)
DONE(snd_seq_set_client_name)
DONE(snd_seq_alloc_queue)
DONE(snd_seq_free_queue)
DONE(snd_seq_control_queue)
DONE(snd_seq_get_queue_status)
DONE(snd_seq_get_queue_tempo)
DONE(snd_seq_set_queue_tempo)
DONE(snd_seq_set_queue_timer)
DONE(snd_seq_delete_simple_port)
DONE(snd_seq_get_port_info)
DONE(snd_seq_set_port_info)
DONE(snd_seq_subscribe_port)
DONE(snd_seq_unsubscribe_port)
DONE(snd_seq_event_input_pending)
DONE(snd_seq_event_output)
DONE(snd_seq_event_output_direct)
DONE(snd_seq_drain_output)
DONE(snd_seq_drop_input)
DONE(snd_seq_drop_output)
DONE(snd_seq_drop_output_buffer)
DONE(snd_seq_remove_events)
