/* A module with one command that reads and one that writes, for redis-server to load: cc -shared -fPIC. */

typedef int Command(void *context, void **arguments, int count);

static int (*reply)(void *context, long long number);

static int read_or_write(void *context, void **arguments, int count) {
    (void)arguments;
    return reply(context, count);
}

int RedisModule_OnLoad(void *context, void **arguments, int count) {
    int (*find)(const char *name, void *place) = (int (*)(const char *, void *))((void **)context)[0];
    void (*introduce)(void *context, const char *name, int version, int api);
    int (*command)(void *context, const char *name, Command *run, const char *flags, int first, int last, int step);
    (void)arguments;
    (void)count;
    find("RedisModule_SetModuleAttribs", &introduce);
    find("RedisModule_CreateCommand", &command);
    find("RedisModule_ReplyWithLongLong", &reply);
    introduce(context, "probe", 1, 1);
    return command(context, "probe.read", read_or_write, "readonly", 1, 1, 1) == 0
        && command(context, "probe.write", read_or_write, "write", 1, 1, 1) == 0 ? 0 : 1;
}
