// Beans of every shape that a JMX reader meets. Says "ready", then obeys lines on standard input until it ends:
// "many N" registers N small beans, "gc" collects garbage.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import javax.management.*;
import javax.management.openmbean.*;

public class Beans {
    public enum Mode { IDLE, BUSY }

    public interface NumbersMBean {
        byte getByte();
        short getShort();
        int getInt();
        long getLong();
        float getFloat();
        double getDouble();
        boolean isBool();
        Long getBoxed();
        Long getNothing();
        Number getNumber();
        Object getAtomic();
        BigInteger getBigInteger();
        BigDecimal getBigDecimal();
        Date getDate();
        String getNumeral();
        Object getMode();
        char getChar();
        double getNotANumber();
        double getInfinite();
        void setWriteOnly(int value);
    }

    public static class Numbers implements NumbersMBean {
        public byte getByte() { return -7; }
        public short getShort() { return 300; }
        public int getInt() { return 70000; }
        public long getLong() { return 1L << 40; }
        public float getFloat() { return 0.25f; }
        public double getDouble() { return 1e10; }
        public boolean isBool() { return true; }
        public Long getBoxed() { return 42L; }
        public Long getNothing() { return null; }
        public Number getNumber() { return 3; }
        public Object getAtomic() { return new AtomicLong(11); }
        public BigInteger getBigInteger() { return BigInteger.TWO.pow(70); }
        public BigDecimal getBigDecimal() { return new BigDecimal("12.50"); }
        public Date getDate() { return new Date(1500); }
        public String getNumeral() { return "12.5"; }
        public Object getMode() { return Mode.BUSY; }
        public char getChar() { return 'c'; }
        public double getNotANumber() { return Double.NaN; }
        public double getInfinite() { return Double.NEGATIVE_INFINITY; }
        public void setWriteOnly(int value) { }
    }

    public interface TroubleMBean {
        int getBefore();
        Object getUnserializable();
        int getBetween();
        int getThrowing();
        Object getNested();
        int getAfter();
    }

    public static class Trouble implements TroubleMBean {
        public int getBefore() { return 1; }
        public Object getUnserializable() { return new Thread("never started"); }
        public int getBetween() { return 2; }
        public int getThrowing() { throw new IllegalStateException("on purpose"); }
        public Object getNested() {
            List<Object> list = new ArrayList<>();
            list.add(new Object());
            return list;
        }
        public int getAfter() { return 3; }
    }

    public interface TextMBean {
        String getLong();
        String getOdd();
        int[] getInts();
        String[] getStrings();
        int getLast();
    }

    public static class Text implements TextMBean {
        public String getLong() { return "\u00e4".repeat(50_000); }
        public String getOdd() { return "nul \0, pair \ud83d\ude00, lone \ud83d"; }
        public int[] getInts() { return new int[100_000]; }
        public String[] getStrings() { return new String[] {"a", "b"}; }
        public int getLast() { return 9; }
    }

    public static class Open implements DynamicMBean {
        private final CompositeData usage;
        private final TabularData table;
        private final TabularData nested;

        Open() throws OpenDataException {
            CompositeType usageType = new CompositeType("Usage", "usage", new String[] {"used", "name"},
                    new String[] {"used", "name"}, new OpenType<?>[] {SimpleType.LONG, SimpleType.STRING});
            usage = new CompositeDataSupport(usageType, new String[] {"used", "name"}, new Object[] {5L, "x"});
            CompositeType row = new CompositeType("Row", "row", new String[] {"key", "count", "value"},
                    new String[] {"key", "count", "value"},
                    new OpenType<?>[] {SimpleType.STRING, SimpleType.INTEGER, usageType});
            TabularType tableType = new TabularType("Table", "table", row, new String[] {"key"});
            table = new TabularDataSupport(tableType);
            for (String key : new String[] {"one", "two"}) {
                table.put(new CompositeDataSupport(row, new String[] {"key", "count", "value"},
                        new Object[] {key, key.length(), usage}));
            }
            CompositeType outer = new CompositeType("Outer", "outer", new String[] {"key", "value"},
                    new String[] {"key", "value"}, new OpenType<?>[] {usageType, tableType});
            TabularType outerType = new TabularType("OuterTable", "outer", outer, new String[] {"key"});
            nested = new TabularDataSupport(outerType);
            nested.put(new CompositeDataSupport(outer, new String[] {"key", "value"}, new Object[] {usage, table}));
        }

        public Object getAttribute(String name) throws AttributeNotFoundException {
            switch (name) {
                case "Usage": return usage;
                case "Table": return table;
                case "Nested": return nested;
            }
            throw new AttributeNotFoundException(name);
        }

        public AttributeList getAttributes(String[] names) {
            AttributeList list = new AttributeList();
            for (String name : names) {
                try {
                    list.add(new Attribute(name, getAttribute(name)));
                } catch (AttributeNotFoundException absent) {
                    continue;
                }
            }
            return list;
        }

        public MBeanInfo getMBeanInfo() {
            List<MBeanAttributeInfo> infos = new ArrayList<>();
            for (String name : new String[] {"Usage", "Table", "Nested"}) {
                infos.add(new MBeanAttributeInfo(name, "java.lang.Object", "the " + name, true, false, false));
            }
            return new MBeanInfo(getClass().getName(), "open", infos.toArray(new MBeanAttributeInfo[0]), null, null, null);
        }

        public void setAttribute(Attribute attribute) { }
        public AttributeList setAttributes(AttributeList attributes) { return attributes; }
        public Object invoke(String name, Object[] arguments, String[] signature) { return null; }
    }

    public interface SmallMBean {
        long getCount();
        double getMean();
        double getMax();
        int getSize();
    }

    public static class Small implements SmallMBean {
        public long getCount() { return 12345; }
        public double getMean() { return 0.5; }
        public double getMax() { return 1.5; }
        public int getSize() { return 3; }
    }

    public static void main(String[] arguments) throws Exception {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        server.registerMBean(new Numbers(), new ObjectName("app:type=Numbers,name=first"));
        server.registerMBean(new Trouble(), new ObjectName("app:type=Trouble"));
        server.registerMBean(new Text(), new ObjectName("app:type=Text"));
        server.registerMBean(new Open(), new ObjectName("app:type=Open"));
        server.registerMBean(new Small(), new ObjectName("app:z=last,name=\"a,b=\\\"c\\\"\\*\",a=first"));
        System.out.println("ready");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            if (line.equals("gc")) {
                System.gc();
            } else if (line.startsWith("many ")) {
                for (int at = 0; at < Integer.parseInt(line.substring(5)); at++) {
                    server.registerMBean(new Small(), new ObjectName("many:type=Small,name=bean-" + at));
                }
            }
            System.out.println("done");
        }
        System.exit(0);
    }
}
